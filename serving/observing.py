"""What watches requests from outside the handler (logs, traces), and what a request is called in both."""

import random
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]

# W3C Trace Context: version, trace, parent, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


class Observer(Protocol):
    """Watches the requests of a route; only what was switched on is put around a handler."""

    def around(self, route: str, handler: Handler) -> Handler:
        """Return the handler, watched."""
        ...


def sent_header(request: Request, name: bytes) -> str:
    """Return a header by its lower-case name, empty where there is none.

    Starlette's own look-up wraps the list and encodes the name each time, and this is asked of every request.
    """
    for known, value in request.scope["headers"]:
        if known == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return ""


def request_id(request: Request) -> str:
    """Return the caller's `X-Request-Id`, or one of ours; the same for the whole request."""
    known: str | None = request.scope.get("likewise.request_id")
    if known is None:
        sent = sent_header(request, b"x-request-id")
        if sent.isascii() and sent.isprintable() and 0 < len(sent) <= 128:
            known = sent
        else:  # no secret, so not the kernel's random numbers: 0.4 us instead of 3; seeded anew in every forked worker
            known = f"{random.getrandbits(64):016x}"
        request.scope["likewise.request_id"] = known
    return known


def trace_ids(request: Request) -> dict[str, str]:
    """Return `trace_id` and `span_id` of a request: of our span, else of the caller's; empty where there is none."""
    ours: dict[str, str] | None = request.scope.get("likewise.trace")
    if ours is not None:
        return ours
    sent = _TRACEPARENT.fullmatch(sent_header(request, b"traceparent"))
    return {"trace_id": sent[1], "parent_span_id": sent[2]} if sent else {}
