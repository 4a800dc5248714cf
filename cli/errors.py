"""What can go wrong on the command line."""

from likewise.transforms.errors import LikewiseError


class SettingError(LikewiseError):
    """A setting has a value that can't be used."""

    def __init__(self, name: str, expected: str, got: str) -> None:
        self.name, self.expected, self.got = name, expected, got
        super().__init__(f"{name}: expected {expected}, got {got!r}")


class SourceNotFileError(LikewiseError):
    """Parity was asked to replay a view whose rows don't lie in Parquet files."""

    def __init__(self, view: str, got: str) -> None:
        self.view, self.got = view, got
        super().__init__(
            f"view {view!r}: replay reads Parquet files (a FileSource), got {got}; "
            "compare at the present instant instead"
        )


class TooFewRowsError(LikewiseError):
    """The instants of a parity check hold too few entity rows to mean anything."""

    def __init__(self, expected: int, got: int, span: str) -> None:
        self.expected, self.got, self.span = expected, got, span
        super().__init__(
            f"parity over {span}: expected at least {expected:,} entity rows, got {got:,}; "
            "take more instants, a longer window, or another span"
        )
