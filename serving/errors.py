"""What can go wrong while serving."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from likewise.transforms.errors import LikewiseError


class ServingError(LikewiseError):
    """A request or a release that can't be served.

    Attributes
    ----------
    detail
        What is wrong, in a sentence.
    expected, got
        What would have been right and what came, as text; None where there is no such pair.
    advice
        What to do about it.
    """

    def __init__(
        self, detail: str, *, expected: str | None = None, got: str | None = None, advice: str | None = None
    ) -> None:
        self.detail, self.expected, self.got, self.advice = detail, expected, got, advice
        super().__init__(_sentence(detail, expected, got, advice))


class NotJsonError(ServingError):
    """The body is not JSON."""

    def __init__(self, reason: str) -> None:
        super().__init__("the body is not JSON", expected="a JSON object (UTF-8)", got=reason, advice="send valid JSON")


class BodyTooLargeError(ServingError):
    """The body has more bytes than the server takes."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            "the body is too large",
            expected=f"at most {limit_bytes:,} bytes",
            advice="send fewer rows per request, or score files with `likewise predict RELEASE --input FILE`",
        )


class UnsupportedEncodingError(ServingError):
    """The body is compressed in a way that the server does not read."""

    def __init__(self, encoding: str, known: Sequence[str]) -> None:
        self.encoding = encoding
        super().__init__(
            "the body's encoding is not read here",
            expected=" or ".join(known),
            got=repr(encoding[:40]),
            advice="send it so, or as it is",
        )


class TooManyRowsError(ServingError):
    """A request asks for more rows than the server takes at once."""

    def __init__(self, rows: int, limit: int) -> None:
        self.rows, self.limit = rows, limit
        super().__init__(
            "too many rows in one request",
            expected=f"at most {limit:,}",
            got=f"{rows:,}",
            advice="cut the batch",
        )


class WrongShapeError(ServingError):
    """A part of the body is not what its place asks for."""

    def __init__(self, where: str, expected: str, got: str, advice: str | None = None) -> None:
        self.where = where
        super().__init__(f"{where} can't be used", expected=expected, got=got, advice=advice)


class WrongTypeError(ServingError):
    """A join key or request field has a value of another type."""

    def __init__(self, name: str, row: int, expected: str, got: object) -> None:
        self.name, self.row = name, row
        super().__init__(
            f"{name!r} has a value of another type at row {row}",
            expected=expected,
            got=f"{type(got).__name__} {_short(got)}",
            advice=f"send {name!r} as {expected}",
        )


class MissingKeyError(ServingError):
    """A join key or a request field that the features need was not sent."""

    def __init__(self, missing: Sequence[str], place: str, sent: Iterable[str]) -> None:
        self.missing, self.place = tuple(missing), place
        super().__init__(
            f"{_names(missing)} {'is' if len(self.missing) == 1 else 'are'} missing in {place}",
            got=_names(sent) or "nothing",
            advice="add what is missing, one value per row",
        )


class UnknownFieldError(ServingError):
    """A field was sent that is neither join key nor request data."""

    def __init__(self, name: str, place: str, known: Iterable[str]) -> None:
        self.name, self.place, self.known = name, place, tuple(known)
        super().__init__(
            f"{name!r} in {place!r} is not known here",
            expected=_names(self.known) or "no fields",
            got=repr(name),
            advice=_suggestion(name, self.known) or f"leave {name!r} out",
        )


class NotFoundError(ServingError):
    """A thing of a kind is not known by that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str | None = None) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        super().__init__(
            f"{kind} {name!r} does not exist",
            expected=_names(self.known[:20]) or f"no {kind} is known yet",
            got=repr(name),
            advice=_suggestion(name, self.known) or advice,
        )


class RequestNotLoggedError(ServingError):
    """The request log does not hold a request."""

    def __init__(self, request_id: str, folder: object, unreadable: int) -> None:
        self.request_id, self.unreadable = request_id, unreadable
        lost = f" ({unreadable} of its files can't be read)" if unreadable else ""
        super().__init__(
            f"no request {request_id!r} is in the request log {folder}{lost}",
            advice="take the id from the answer's `X-Request-Id`; an answer is in the log after some 5 s, and only if "
            "it was sampled (`--request-log-share`)",
        )


class UnknownReleaseError(NotFoundError):
    """No such release is loaded here."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        advice = "start the server with `--release`, or point its alias at a release: `likewise alias`"
        super().__init__("release", name, known, advice)


class UnknownFeatureServiceError(NotFoundError):
    """The Feast registry has no such feature service."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__("feature service", name, known, "run `feast apply` if it is new")


class UnknownFeatureError(NotFoundError):
    """The Feast registry has no such feature or view."""

    def __init__(self, reference: str, known: Iterable[str]) -> None:
        super().__init__("feature", reference, known, "references look like `view:feature`")


class CollidingNamesError(ServingError):
    """Two features of one answer would have the same name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{_names(names)} would appear twice in the answer",
            advice='ask for `"full_feature_names": true`',
        )


class NothingLoadedError(ServingError):
    """The release is known but not loaded (yet)."""

    def __init__(self, reference: str, reason: str) -> None:
        self.reference, self.reason = reference, reason
        super().__init__(f"{reference!r} is not ready: {reason}", advice="try again; see /health/ready")


class OnDemandViewError(ServingError):
    """The code of an on-demand view raised on the values of this request."""

    def __init__(self, view: str, cause: BaseException) -> None:
        self.view = view
        super().__init__(
            f"on-demand view {view!r} failed on these values",
            got=f"{type(cause).__name__}: {_short(cause)}",
            advice="check the request data, or mend the view and run `feast apply`",
        )


class UnservableViewError(ServingError):
    """A view can't be served online as it is declared."""

    def __init__(self, view: str, reason: str, advice: str) -> None:
        self.view = view
        super().__init__(f"view {view!r} can't be served online: {reason}", advice=advice)


class StaleFeaturesError(ServingError):
    """Values are older than their view's TTL and the server is set to refuse them."""

    def __init__(self, views: Sequence[str]) -> None:
        self.views = tuple(views)
        super().__init__(
            f"values of {_names(views)} are older than their TTL",
            advice="materialize the view, or serve with `on_stale=missing`",
        )


class StoreUnavailableError(ServingError):
    """The online store does not answer."""

    def __init__(self, reason: str, retry_after_seconds: int = 1) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(
            "the online store does not answer",
            got=reason,
            advice=f"try again in {retry_after_seconds} s; on the server, check that Redis runs",
        )


class DeadlineExceededError(ServingError):
    """The answer would come after the request's deadline."""

    def __init__(self, deadline_ms: float) -> None:
        self.deadline_ms, self.retry_after_seconds = deadline_ms, 1
        super().__init__(
            "the answer was not ready in time",
            expected=f"within {deadline_ms:g} ms",
            advice="try again, or raise `deadline_ms`",
        )


class OverloadedError(ServingError):
    """More requests are under way than the server takes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.retry_after_seconds = limit, 1
        super().__init__(
            "the server is busy",
            expected=f"at most {limit} requests under way, and of those no more at once than it can answer soon",
            advice="try again in a second, or add workers",
        )


class TokenRequiredError(ServingError):
    """No bearer token came, or not one that is known."""

    def __init__(self, action: str) -> None:
        super().__init__(
            f"a bearer token is needed to {action}", advice="send `Authorization: Bearer <token>` (LIKEWISE_TOKEN)"
        )


class ReadOnlyTokenError(ServingError):
    """The token may read only."""

    def __init__(self, action: str) -> None:
        super().__init__(f"this token may not {action}", advice="use a token with write access")


class ReleaseRefusedError(ServingError):
    """A release did not pass its proof on this machine and must not serve."""

    def __init__(self, release: str, reason: str) -> None:
        self.release, self.reason = release, reason
        super().__init__(
            f"release {release!r} is refused: {reason}",
            advice=f"run `likewise verify {release}` here; the release that served before goes on",
        )


class ReleaseDirectoryError(ServingError):
    """A release directory is damaged or can't be written; nothing of it was used."""

    def __init__(self, folder: object, reason: str, advice: str | None = None) -> None:
        self.folder = folder
        super().__init__(
            f"release directory {folder}: {reason.rstrip('.')}",
            advice=advice or "copy it again, or make it anew with `likewise release-dir`",
        )


class SettingsError(ServingError):
    """A serving setting has a value that can't be used."""

    def __init__(self, name: str, expected: str, got: object) -> None:
        self.name = name
        super().__init__(f"setting {name!r} can't be used", expected=expected, got=repr(got))


class FeastUnreadableError(ServingError):
    """The process that reads the Feast repository did not answer."""

    def __init__(self, got: str) -> None:
        super().__init__(
            "the Feast repository can't be read",
            expected="what `feast apply` wrote",
            got=got,
            advice="run `feast feature-services list` in the repository",
        )


class WorkersFailedError(ServingError):
    """Workers end before they serve."""

    def __init__(self, times: int) -> None:
        super().__init__(
            f"{times} workers in a row ended before they served",
            advice="read the log above; the first error is the cause",
        )


class UnsupportedError(ServingError):
    """A request asks for something this server does not do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what} is not supported here", advice=advice)


def _sentence(detail: str, expected: str | None, got: str | None, advice: str | None) -> str:
    text = detail
    if expected is not None:
        text += f"; expected {expected}"
    if got is not None:
        text += f"; got {got}"
    if not advice:
        return f"{text}."
    return f"{text}. {advice[0].upper()}{advice[1:]}{'' if advice.endswith('?') else '.'}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _suggestion(name: str, known: Sequence[str]) -> str | None:
    close = get_close_matches(name, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(match) for match in close)}?" if close else None


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, BaseException) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
