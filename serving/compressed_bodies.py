"""Bodies that a client compressed, opened within the limit: a small body must not become a huge one."""

import zlib

from likewise.serving.errors import BodyTooLargeError, UnsupportedEncodingError, WrongShapeError

# zlib's own word for "gzip or zlib, whichever the bytes say"; `deflate` of HTTP is zlib's format.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
ENCODINGS = ("gzip", "deflate")


def opened(body: bytes, encoding: str | None, limit_bytes: int) -> bytes:
    """Return a body as it was before its `Content-Encoding`.

    Raises
    ------
    UnsupportedEncodingError
        An encoding other than gzip, deflate or none.
    BodyTooLargeError
        It would have more than `limit_bytes`; no more than that is made.
    WrongShapeError
        It is not what its encoding says, or cut.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in ENCODINGS:
        raise UnsupportedEncodingError(name, ENCODINGS)
    opener = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = opener.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise WrongShapeError("the body", f"bytes compressed by {name}", str(error)) from None
    if len(content) > limit_bytes:
        raise BodyTooLargeError(limit_bytes)
    if not opener.eof:
        raise WrongShapeError("the body", f"a whole {name} stream", "one that is cut")
    return content
