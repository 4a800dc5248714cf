"""The edge of the process: every route's errors, limits and counts, in one place around the handler."""

import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from likewise.serving.errors import OverloadedError
from likewise.serving.metrics import Metrics
from likewise.serving.observing import Handler, Observer, request_id, trace_ids
from likewise.serving.problems import problem_response, unexpected_response
from likewise.serving.tokens import Access
from likewise.serving.turns import Turns
from likewise.transforms.errors import LikewiseError

logger = logging.getLogger(__name__)

ErrorAnswer = Callable[[LikewiseError, str], Response]


class Edge:
    """What every route shares: who may pass, how many at once, how errors are told, and who watches."""

    def __init__(
        self, access: Access, metrics: Metrics, inflight_limit: int, observers: Sequence[Observer] = ()
    ) -> None:
        self.access, self.metrics, self._observers = access, metrics, tuple(observers)
        self._limit = inflight_limit
        self._inflight = 0
        self._turns = Turns()

    def around(self, name: str, handler: Handler, *, guard: str, answer: ErrorAnswer) -> Handler:
        """Return a handler with access checked, load shed, errors answered and time measured.

        Parameters
        ----------
        name
            The route, as metrics label it.
        handler
            Does the work; raises a LikewiseError when it can't.
        guard
            `read`, `write`, `nothing` (anyone may ask) or `open` (health and metrics: not watched, never shed).
        answer
            How errors are spelled on this path.
        """
        counts = self.metrics.route(name)
        check = self._check_of(guard)

        async def handle(request: Request) -> Response:
            started = time.perf_counter()
            self._inflight += 1
            try:
                if guard != "open" and (self._inflight > self._limit or not self._turns.takes_another(started)):
                    raise OverloadedError(self._limit)
                if check is not None:
                    check(request)
                response = await handler(request)
            except LikewiseError as error:
                _note_problem(request, error)
                response = answer(error, request_id(request))
            except ClientDisconnect:
                response = Response(status_code=499)  # nobody reads it; the number is nginx's for the same
            except Exception as error:
                _note_problem(request, error)
                ids = {"request_id": request_id(request), **trace_ids(request)}
                logger.exception("a request failed on %s", name, extra={"route": name, **ids})
                response = unexpected_response(request_id(request))
            finally:
                self._inflight -= 1
            # Not by its `headers`: these look for one to replace, and no handler sets this one.
            response.raw_headers.append((b"x-request-id", request_id(request).encode("latin-1")))
            counts.count(response.status_code, time.perf_counter() - started, request.scope.get("likewise.rows", 0))
            return response

        return handle if guard == "open" else self._watched(name, handle)

    def _watched(self, name: str, handler: Handler) -> Handler:
        """Return a handler with every observer around it; probes and scrapes are not watched."""
        for observer in self._observers:
            handler = observer.around(name, handler)
        return handler

    def _check_of(self, guard: str) -> Callable[[Request], None] | None:
        if guard == "write":
            return self.access.check_write
        if guard == "read" and not self.access.reads_are_open:
            return self.access.check_read
        return None


def _note_problem(request: Request, error: Exception) -> None:
    """Leave what went wrong to the observers: as text, for an error kept in its own request is a cycle."""
    request.scope["likewise.problem"] = (type(error).__name__, str(error))


class DirectRoute(APIRoute):
    """A route whose handler takes the request and returns the response itself.

    FastAPI's own way through (dependencies, body model, response model) costs 30 us a request here and is
    not used; the route still appears in the OpenAPI document.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint as it is."""
        return self.endpoint


__all__ = ["DirectRoute", "Edge", "ErrorAnswer", "Handler", "problem_response", "request_id"]
