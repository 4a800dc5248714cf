"""What can go wrong on the command line."""

from pathlib import Path

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


class NothingToServeError(LikewiseError):
    """`likewise serve` found no release to serve."""

    def __init__(self, registry: str, alias: str) -> None:
        self.registry, self.alias = registry, alias
        super().__init__(
            f"registry {registry}: expected a release with the alias {alias!r}, got none; run `likewise demo` "
            f"or `likewise run RECIPE`, move it with `likewise alias NAME {alias} VERSION`, or name one: --release"
        )


class RepositoryError(LikewiseError):
    """The Feast repository can't be opened."""

    def __init__(self, repo: Path, why: str) -> None:
        self.repo = repo
        super().__init__(f"Feast repository {repo}: {why}")


class FeastCommandError(LikewiseError):
    """A command of Feast failed."""

    def __init__(self, command: str, repo: Path, printed: str) -> None:
        self.command, self.repo, self.printed = command, repo, printed
        last = "\n".join(printed.splitlines()[-5:])
        super().__init__(f"`{command}` in {repo} failed; run it there by hand to see more. It said:\n{last}")


class ServerFailedError(LikewiseError):
    """A server that this command started did not do its work."""

    def __init__(self, what: str, said: str) -> None:
        self.what, self.said = what, said
        super().__init__(f"{what}. It said:\n{said}")


class ParityFailedError(LikewiseError):
    """Serving and history differ, so the release may not be promoted."""

    def __init__(self, release: str, alias: str) -> None:
        self.release, self.alias = release, alias
        super().__init__(
            f"{release}: serving differs from history (see the table above), so {alias!r} was not moved; the release "
            "that served before goes on. Mend the cause and run again."
        )
