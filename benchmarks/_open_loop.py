"""An open-loop HTTP load at a fixed rate: requests leave when they are due, whatever became of those before.

A closed loop waits for a slow server and so asks it less just when it is slow (coordinated omission). Here every
request has an intended time, and its latency counts from that time: waiting for a connection or for this client
itself is part of it.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import uvloop

UNANSWERED = 0
LOST = -1
Times = np.ndarray[Any, np.dtype[np.float64]]
Statuses = np.ndarray[Any, np.dtype[np.int16]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much, how fast, and what is given up.

    Attributes
    ----------
    rate
        Requests per second.
    seconds
        How long requests are due.
    connections
        Most connections at once; more requests wait for one, on the clock.
    drain_seconds
        How long after the last one answers are waited for.
    """

    rate: float
    seconds: float
    connections: int = 256
    drain_seconds: float = 10.0

    @property
    def count(self) -> int:
        """Return the number of requests."""
        return max(1, round(self.rate * self.seconds))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of n requests, in the order they were due.

    Attributes
    ----------
    started
        `time.monotonic()` of the first request.
    due, noticed, sent, answered
        (n,) float64, seconds after `started`; NaN for what did not happen. `noticed` is when this client's event loop
        took up what was due: so late is it with everything at that time, also with reading answers.
    statuses
        (n,) int16: HTTP's, UNANSWERED, or LOST where the connection broke.
    """

    started: float
    due: Times
    noticed: Times
    sent: Times
    answered: Times
    statuses: Statuses

    @property
    def latencies_ms(self) -> Times:
        """Return (n,) float64 from the intended time to the answer, milliseconds; infinite without an answer."""
        waited = (self.answered - self.due) * 1e3
        return np.where(np.isnan(waited), np.inf, waited)

    @property
    def client_late_ms(self) -> Times:
        """Return (n,) float64, what this client itself may have added to each latency: sending late, reading late."""
        late = np.nan_to_num((self.noticed - self.due) * 1e3)
        last = np.searchsorted(self.due, np.nan_to_num(self.answered), "right") - 1
        # An answer is read late if the loop was late with what was due around that time.
        around = np.maximum.reduce([late[np.clip(last + shift, 0, len(late) - 1)] for shift in range(-4, 1)])
        return late + around

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies: the smallest that so many per cent do not exceed."""
        return percentile(self.latencies_ms, percent)

    def count_by_status(self) -> dict[int, int]:
        """Return how many requests ended with each status."""
        values, counts = np.unique(self.statuses, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))


def percentile(values: Times, percent: float) -> float:
    """Return the smallest of n values that so many per cent of them do not exceed."""
    ordered = np.sort(values)
    return float(ordered[max(0, min(len(ordered) - 1, int(np.ceil(len(ordered) * percent / 100)) - 1))])


def http_request(path: str, body: bytes, headers: str = "") -> bytes:
    """Return a POST as bytes, keep-alive."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure_open_loop(port: int, requests: Sequence[bytes], pace: Pace) -> Recorded:
    """Return what became of requests (taken in turn from `requests`) sent to a port of the loopback at a pace."""
    return uvloop.run(_Generator(port, requests, pace).run())


class _Generator:
    def __init__(self, port: int, requests: Sequence[bytes], pace: Pace) -> None:
        self._port, self._requests, self._pace = port, requests, pace
        n = pace.count
        self.due = np.arange(n) / pace.rate
        self.noticed, self.sent, self.answered = (np.full(n, np.nan) for _ in range(3))
        self.statuses = np.full(n, UNANSWERED, np.int16)
        self._free: deque[Connection] = deque()
        self._waiting: deque[int] = deque()
        self._open = self._next = self._ended = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = 0.0

    async def run(self) -> Recorded:
        """Send everything, wait for the answers within the time given, and return the record."""
        self._all_ended = asyncio.Event()
        self._started = time.monotonic() + 0.02
        with _clock_ticks(self._started, self.due, self._send_due), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.seconds + self._pace.drain_seconds):
                await self._all_ended.wait()
        for connection in tuple(self._free):
            connection.close()
        return Recorded(self._started, self.due, self.noticed, self.sent, self.answered, self.statuses)

    def _send_due(self) -> None:
        now = time.monotonic() - self._started
        while self._next < len(self.due) and self.due[self._next] <= now:
            self._waiting.append(self._next)
            self.noticed[self._next] = now
            self._next += 1
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self._free:
            connection = self._free.popleft()
            if not connection.is_lost:
                self._send(connection, self._waiting.popleft())
        while len(self._tasks) < len(self._waiting) and self._open < self._pace.connections:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _send(self, connection: "Connection", at: int) -> None:
        self.sent[at] = time.monotonic() - self._started
        connection.send(at, self._requests[at % len(self._requests)])

    async def _connect(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        except OSError:
            self._open -= 1
            if self._waiting:
                self.ended(self._waiting.popleft(), LOST)
            return
        self.is_free(connection)

    def is_free(self, connection: "Connection") -> None:
        """Take a connection back."""
        self._free.append(connection)
        self._send_waiting()

    def is_gone(self) -> None:
        """Count a connection less."""
        self._open -= 1

    def ended(self, at: int, status: int) -> None:
        """Record the end of a request."""
        self.answered[at] = time.monotonic() - self._started
        self.statuses[at] = status
        self._ended += 1
        if self._ended == len(self.due):
            self._all_ended.set()


class Owner(Protocol):
    """Who sends requests over connections."""

    def ended(self, at: int, status: int) -> None:
        """Take the end of a request; LOST if its connection broke."""

    def is_free(self, connection: "Connection") -> None:
        """Take a connection whose request was answered."""

    def is_gone(self) -> None:
        """Take note of a connection that is closed."""


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, generator: Owner) -> None:
        self._generator = generator
        self._at: int | None = None
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def send(self, at: int, request: bytes) -> None:
        """Send a request."""
        self._at = at
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Look whether the answer is complete."""
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0 or self._at is None:
            return
        head = self._buffer[:head_end].lower()
        at = head.index(b"content-length:") + 15
        line_end = head.find(b"\r\n", at)
        length = int(head[at : line_end if line_end >= 0 else len(head)])
        if len(self._buffer) < head_end + 4 + length:
            return
        request, self._at, self._buffer = self._at, None, b""
        self._generator.ended(request, int(head[9:12]))
        if b"connection: close" in head:
            self.close()
        else:
            self._generator.is_free(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Give the request up that was under way."""
        self.is_lost = True
        self._generator.is_gone()
        if self._at is not None:
            self._generator.ended(self._at, LOST)

    def close(self) -> None:
        """Close the connection."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.close()


@contextlib.contextmanager
def _clock_ticks(started: float, due: Times, send: Callable[[], None]) -> Any:
    """Call `send` on the event loop whenever a request is due.

    Timers of event loops have a resolution of 1 ms, which would be most of a fast answer; a sleeping thread
    has one of 0.1 ms.
    """
    loop, signal, ended = asyncio.get_running_loop(), os.eventfd(0), threading.Event()

    def tick() -> None:
        at = 0
        while at < len(due) and not ended.is_set():
            time.sleep(max(0.0, started + due[at] - time.monotonic()))
            os.eventfd_write(signal, 1)
            at = max(at + 1, int(np.searchsorted(due, time.monotonic() - started, "right")))

    def woken() -> None:
        os.eventfd_read(signal)
        send()

    loop.add_reader(signal, woken)
    thread = threading.Thread(target=tick, name="open-loop-clock")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        loop.remove_reader(signal)
        os.close(signal)
