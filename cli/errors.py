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
            f"view {view!r}: replay reads Parquet files (a FileSource), got {got}; compare at the present instant instead"
        )
