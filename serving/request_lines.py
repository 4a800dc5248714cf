"""A log line for a request: written by a thread of its own, so that a request pays for a tuple in a queue only."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.observing import Handler, request_id, trace_ids
from likewise.serving.settings import LogLines

LINES_WAITING = 10_000
WRITE_SECONDS = 0.1
FAULT = 500

logger = logging.getLogger("likewise.requests")


@dataclass(frozen=True, slots=True)
class Line:
    """What is kept of a request until its line is written: of its answer only headers, which are small."""

    request: Request
    route: str
    status: int
    seconds: float
    headers: Sequence[tuple[bytes, bytes]]
    ended: float = field(default_factory=time.time)


class RequestLines:
    """Writes a line for some requests, by share, by time taken, and for every fault.

    Parameters
    ----------
    lines
        Which requests get one.
    count_lost
        Called when a line could not be kept because the reader of the log is slower than the requests.
    """

    def __init__(self, lines: LogLines, count_lost: Callable[[], object]) -> None:
        self._share = lines.request_share
        self._slow = float("inf") if lines.slow_ms is None else lines.slow_ms / 1000
        self._count_lost = count_lost
        self._waiting: deque[Line] = deque()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="likewise-request-lines", daemon=True)
        self._thread.start()

    def around(self, route: str, handler: Handler) -> Handler:
        """Return a handler whose requests may get a line."""

        async def handle(request: Request) -> Response:
            started = time.perf_counter()
            response = await handler(request)
            seconds = time.perf_counter() - started
            if response.status_code >= FAULT or seconds >= self._slow or self._is_its_turn():
                self._offer(Line(request, route, response.status_code, seconds, response.raw_headers))
            return response

        return handle

    def _is_its_turn(self) -> bool:
        return self._share > 0 and (self._share >= 1 or random.random() < self._share)  # noqa: S311  sampling

    def _offer(self, line: Line) -> None:
        if len(self._waiting) >= LINES_WAITING:
            self._count_lost()
        else:
            self._waiting.append(line)

    def close(self, seconds: float) -> None:
        """Write what is waiting, if that takes no longer than `seconds`, and end."""
        self._ended.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        while self._waiting:
            line = self._waiting.popleft()
            logger.handle(_record(line))


def _record(line: Line) -> logging.LogRecord:
    fields = _fields(line)
    text = f"{fields['method']} {fields['path']} {line.status} in {fields['duration_ms']} ms"
    level = logging.ERROR if line.status >= FAULT else logging.INFO
    record = logger.makeRecord(logger.name, level, __file__, 0, text, (), None, extra=fields)
    record.created = line.ended
    record.msecs = line.ended % 1 * 1000
    return record


def _fields(line: Line) -> dict[str, Any]:
    """Return what is known of a request; neither its query, its headers nor its body is told."""
    scope, headers = line.request.scope, {name: value.decode("latin-1") for name, value in line.headers}
    fields: dict[str, Any] = {
        "request_id": request_id(line.request),
        **trace_ids(line.request),
        "method": scope["method"],
        "route": line.route,
        "path": quote(scope["path"], safe="/:@"),  # a line end in it would forge a line of the log
        "status": line.status,
        "duration_ms": round(line.seconds * 1000, 3),
        "rows": scope.get("likewise.rows"),
        "release": headers.get(b"x-likewise-release"),
        "transform": headers.get(b"x-likewise-transform"),
    }
    if "likewise.problem" in scope:
        fields["problem"], detail = scope["likewise.problem"]
        # Of a caller's mistake the text may quote the caller's values.
        fields["problem_detail"] = detail if line.status >= FAULT else None
    return {name: value for name, value in fields.items() if value is not None}
