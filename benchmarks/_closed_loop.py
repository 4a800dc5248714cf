"""A closed-loop HTTP load: a few connections, each sending its next request when it has its answer."""

import asyncio
import time
from dataclasses import dataclass

import uvloop


@dataclass(frozen=True)
class Load:
    """One kind of request to one server."""

    name: str
    port: int
    path: str
    body: bytes
    method: str = "POST"


@dataclass(frozen=True)
class Measured:
    """What a load gave."""

    name: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def measure(load: Load, connections: int, seconds: float) -> Measured:
    """Return throughput and latency of a load after a short warm-up."""
    return uvloop.run(_measure(load, connections, seconds))


async def _measure(load: Load, connections: int, seconds: float) -> Measured:
    await _run(load, connections, min(0.5, seconds / 4))
    times, errors, elapsed = await _run(load, connections, seconds)
    times.sort()
    middle, last = times[len(times) // 2], times[int(len(times) * 0.99)]
    return Measured(load.name, len(times) / elapsed, middle * 1e3, last * 1e3, errors)


async def _run(load: Load, connections: int, seconds: float) -> tuple[list[float], int, float]:
    times: list[float] = []
    started = time.perf_counter()
    errors = await asyncio.gather(*(_connection(load, started + seconds, times) for _ in range(connections)))
    return times, sum(errors), time.perf_counter() - started


async def _connection(load: Load, until: float, times: list[float]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    head = (
        f"{load.method} {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(load.body)}\r\n\r\n"
    )
    request, errors = head.encode() + load.body, 0
    while (begun := time.perf_counter()) < until:
        writer.write(request)
        head_bytes = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head_bytes.index(b"content-length:") + 15
        await reader.readexactly(int(head_bytes[at : head_bytes.index(b"\r\n", at)]))
        times.append(time.perf_counter() - begun)
        errors += head_bytes[9:12] != b"200"
    writer.close()
    await writer.wait_closed()
    return errors
