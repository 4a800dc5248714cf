"""A JSON answer whose headers are made once, as they go over the wire."""

from collections.abc import Sequence

from starlette.background import BackgroundTask
from starlette.responses import Response

_CONTENT_TYPE = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """A `Response` of status 200 with JSON that is bytes already.

    Starlette's constructor encodes and looks for what is known here: the charset, the length, headers to replace.

    Parameters
    ----------
    body
        JSON.
    headers
        More headers, their names in lower case.
    """

    def __init__(self, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.status_code = 200
        self.body = body
        self.background: BackgroundTask | None = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _CONTENT_TYPE, *headers]
