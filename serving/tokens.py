"""Who may read and who may write: bearer tokens, compared in constant time."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request

from likewise.serving.errors import ReadOnlyTokenError, SettingsError, TokenRequiredError
from likewise.serving.settings import ServingSettings, Tokens


def tokens_of(tokens: Tokens) -> Tokens:
    """Return tokens with those of their files.

    Raises
    ------
    SettingsError
        A file can't be read, or holds none: reads or writes would be open by accident.
    """
    write = (*tokens.write, *_lines("token_file", tokens.write_file))
    read = (*tokens.read, *_lines("read_token_file", tokens.read_file))
    return replace(tokens, write=write, read=read)


def _lines(name: str, path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        # A decoding error quotes bytes of the file, which may be a token.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(name, "a text file with one token a line", f"{path}: {reason}") from None
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not found:
        raise SettingsError(name, "a text file with one token a line", f"{path}: it holds none")
    return found


def _nobody(_: Iterable[str]) -> None:
    """Tell nobody."""


class Access:
    """Decides by settings: reads are open unless read tokens are set, writes are open on loopback only."""

    def __init__(self, settings: ServingSettings) -> None:
        self._tokens = settings.tokens
        self._learn: Callable[[Iterable[str]], object] = _nobody
        self._is_loopback = settings.is_loopback
        # Which kinds are guarded is settled once; later files only change which tokens are known.
        self.reads_are_open = not (settings.tokens.read or settings.tokens.read_file)
        self.reload()

    def reload(self) -> None:
        """Read the files of tokens again; if one can't be used, those known so far go on.

        Raises
        ------
        SettingsError
            A file can't be read or holds no token.
        """
        found = tokens_of(self._tokens)
        self._learn((*found.read, *found.write))  # before they are accepted
        self._read = tuple(token.encode() for token in found.read)
        self._write = tuple(token.encode() for token in found.write)
        self._writes_are_open = self._is_loopback and not self._write

    def watch_tokens(self, learn: Callable[[Iterable[str]], object]) -> None:
        """Have somebody (who hides them in logs) told of every token: those known now, later ones before they count."""
        self._learn = learn
        learn(token.decode() for token in (*self._read, *self._write))

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
