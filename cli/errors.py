"""What can go wrong on the command line."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
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

    def __init__(self, expected: str, got: str, span: str) -> None:
        self.expected, self.got, self.span = expected, got, span
        super().__init__(
            f"parity over {span}: expected at least {expected} (controls included), got {got}; "
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


class OnlineAheadError(LikewiseError):
    """The online store holds rows of later than the clock, and keeps the newest."""

    def __init__(self, view: str, until: datetime, instant: datetime) -> None:
        self.view, self.until, self.instant = view, until, instant
        super().__init__(
            f"view {view!r} was materialized up to {until.isoformat()}, and the clock stands at {instant.isoformat()}: "
            "the online store keeps the newest rows and can't go back. Set LIKEWISE_CLOCK to then or later, "
            "or start from an empty store (`make clean` in the example)."
        )


class UnknownViewError(LikewiseError):
    """A view was named that the Feast repository does not have online."""

    def __init__(self, view: str, known: Sequence[str]) -> None:
        self.view, self.known = view, known
        close = get_close_matches(view, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"view {view!r}: expected one of {', '.join(known)}; got {view!r}.{hint}")


class HomeBusyError(LikewiseError):
    """Another run works in the same home folder."""

    def __init__(self, home: Path, holder: str) -> None:
        self.home, self.holder = home, holder
        super().__init__(
            f"{home}: expected no other run in this folder, got {holder or 'one that is just starting'}; "
            "wait for it, or give this one a folder of its own: LIKEWISE_HOME"
        )


class NoViewsError(LikewiseError):
    """A Feast repository has no feature view online."""

    def __init__(self, project: str) -> None:
        self.project = project
        super().__init__(
            f"project {project!r}: expected feature views that are kept online, got none; run `feast apply` in the "
            "repository first"
        )


class NothingDueError(LikewiseError):
    """No flight is due at the demo's instant."""

    def __init__(self, instant: str) -> None:
        self.instant = instant
        super().__init__(f"the clock stands at {instant}: expected an instant of 2013 with flights to come, got none")
