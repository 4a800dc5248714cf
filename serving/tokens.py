"""Who may read and who may write: bearer tokens, compared in constant time."""

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import Request

from likewise.serving.errors import ReadOnlyTokenError, TokenRequiredError
from likewise.serving.settings import ServingSettings


class Access:
    """Decides by settings: reads are open unless read tokens are set, writes are open on loopback only."""

    def __init__(self, settings: ServingSettings) -> None:
        self._read = tuple(token.encode() for token in settings.tokens.read)
        self._write = tuple(token.encode() for token in settings.tokens.write)
        self.reads_are_open = not self._read
        self._writes_are_open = settings.is_loopback and not self._write

    def check_read(self, request: Request) -> None:
        """Raise unless the request may read.

        Raises
        ------
        TokenRequiredError
            Read tokens are set and none of them (nor a write token) was sent.
        """
        if not self.reads_are_open and not _is_one_of(_token(request), (*self._read, *self._write)):
            raise TokenRequiredError("read")

    def check_write(self, request: Request) -> None:
        """Raise unless the request may write.

        Raises
        ------
        TokenRequiredError, ReadOnlyTokenError
            No write token was sent; or a page of another site makes a browser write to an open loopback server.
        """
        if self._writes_are_open:
            _check_same_site(request)
            return
        token = _token(request)
        if _is_one_of(token, self._write):
            return
        if _is_one_of(token, self._read):
            raise ReadOnlyTokenError("write")
        raise TokenRequiredError("write")


def _token(request: Request) -> bytes:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip().encode() if scheme.lower() == "bearer" else b""


def _is_one_of(token: bytes, known: Iterable[bytes]) -> bool:
    # Every one is compared, so that the time taken does not tell which of them was it.
    matches = [hmac.compare_digest(token, one) for one in known]
    return any(matches) and bool(token)


def _check_same_site(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise TokenRequiredError("write from a page of another site")
