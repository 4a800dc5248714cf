"""A closed-loop HTTP load: a few connections, each sending its next request when it has its answer."""

import asyncio
import time
from dataclasses import dataclass, field

import uvloop


@dataclass(frozen=True)
class Load:
    """One kind of request to one server."""

    name: str
    port: int
    path: str
    body: bytes
    method: str = "POST"

    @property
    def message(self) -> bytes:
        """Return the request as it goes over the wire."""
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Measured:
    """What a load gave."""

    name: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass
class _Tally:
    """What all connections of a run found."""

    until: float
    times: list[float] = field(default_factory=list)
    errors: int = 0


def measure(load: Load, connections: int, seconds: float) -> Measured:
    """Return throughput and latency of a load after a short warm-up."""
    return uvloop.run(_measure(load, connections, seconds))


async def _measure(load: Load, connections: int, seconds: float) -> Measured:
    await _run(load, connections, min(0.5, seconds / 4))
    started = time.perf_counter()
    tally = await _run(load, connections, seconds)
    elapsed, times = time.perf_counter() - started, sorted(tally.times)
    middle, last = times[len(times) // 2], times[int(len(times) * 0.99)]
    return Measured(load.name, len(times) / elapsed, middle * 1e3, last * 1e3, tally.errors)


async def _run(load: Load, connections: int, seconds: float) -> _Tally:
    loop, tally = asyncio.get_running_loop(), _Tally(time.perf_counter() + seconds)
    made = [
        await loop.create_connection(lambda: _Connection(load.message, tally), "127.0.0.1", load.port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in made))
    return tally


class _Connection(asyncio.Protocol):
    """Sends one request after the other until the time is over.

    A protocol, not streams: with streams the client took as long as our server, and on two cores that showed.
    """

    def __init__(self, message: bytes, tally: _Tally) -> None:
        self._message, self._tally = message, tally
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing, self._head = 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the answer; with its last one comes the next request."""
        if not self._missing:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data, self._missing = self._read_head(end)
        self._missing -= len(data)
        if not self._missing:
            self._finish()

    def _read_head(self, end: int) -> tuple[bytes, int]:
        """Return what came of the body, and its length (never 0 here: every answer has a body)."""
        head, body = self._head[:end].lower() + b"\r", self._head[end + 4 :]
        self._tally.errors += head[9:12] != b"200"
        at = head.index(b"content-length:") + 15
        self._head = b""
        return body, int(head[at : head.index(b"\r", at)])

    def _finish(self) -> None:
        now = time.perf_counter()
        self._tally.times.append(now - self._begun)
        if now < self._tally.until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's
        """End; a lost connection before its time is an error."""
        if self._missing or self._head or time.perf_counter() < self._tally.until:
            self._tally.errors += 1
        self.ended.set_result(None)
