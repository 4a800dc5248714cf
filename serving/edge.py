"""The edge of the process: every route's errors, limits and counts, in one place around the handler."""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from likewise.serving.errors import OverloadedError
from likewise.serving.metrics import Metrics
from likewise.serving.problems import problem_response, unexpected_response
from likewise.serving.tokens import Access
from likewise.transforms.errors import LikewiseError

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
ErrorAnswer = Callable[[LikewiseError, str], Response]


class Edge:
    """What every route shares: who may pass, how many at once, and how errors are told."""

    def __init__(self, access: Access, metrics: Metrics, inflight_limit: int) -> None:
        self.access, self.metrics = access, metrics
        self._limit = inflight_limit
        self._inflight = 0

    def around(self, name: str, handler: Handler, *, guard: str, answer: ErrorAnswer) -> Handler:
        """Return a handler with access checked, load shed, errors answered and time measured.

        Parameters
        ----------
        name
            The route, as metrics label it.
        handler
            Does the work; raises a LikewiseError when it can't.
        guard
            `read`, `write` or `open` (health and metrics).
        answer
            How errors are spelled on this path.
        """
        counts = self.metrics.route(name)
        check = self._check_of(guard)

        async def handle(request: Request) -> Response:
            started = time.perf_counter()
            self._inflight += 1
            try:
                if self._inflight > self._limit and guard != "open":
                    raise OverloadedError(self._limit)
                if check is not None:
                    check(request)
                response = await handler(request)
            except LikewiseError as error:
                response = answer(error, request_id(request))
            except ClientDisconnect:
                response = Response(status_code=499)  # nobody reads it; the number is nginx's for the same
            except Exception:
                logger.exception("request %s failed on %s", request_id(request), name)
                response = unexpected_response(request_id(request))
            finally:
                self._inflight -= 1
            response.headers["x-request-id"] = request_id(request)
            counts.count(response.status_code)
            counts.observe(time.perf_counter() - started)
            return response

        return handle

    def _check_of(self, guard: str) -> Callable[[Request], None] | None:
        if guard == "write":
            return self.access.check_write
        if guard == "read" and not self.access.reads_are_open:
            return self.access.check_read
        return None


def request_id(request: Request) -> str:
    """Return the caller's `X-Request-Id`, or one of ours; the same for the whole request."""
    known: str | None = request.scope.get("likewise.request_id")
    if known is None:
        sent = request.headers.get("x-request-id", "")
        known = sent if sent.isascii() and sent.isprintable() and 0 < len(sent) <= 128 else secrets.token_hex(8)
        request.scope["likewise.request_id"] = known
    return known


class DirectRoute(APIRoute):
    """A route whose handler takes the request and returns the response itself.

    FastAPI's own way through (dependencies, body model, response model) costs 30 us a request here and is
    not used; the route still appears in the OpenAPI document.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint as it is."""
        return self.endpoint


__all__ = ["DirectRoute", "Edge", "ErrorAnswer", "Handler", "problem_response", "request_id"]
