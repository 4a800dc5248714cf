"""A closed loop that keeps a server busy and says how many right answers it gave, moment by moment.

What other programs take of the processors meanwhile is measured too, and allowed for: a machine that others use for
half of the time gives half of the answers.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import psutil
import uvloop
from _open_loop import Connection
from _serving_bench import Served

# A client that was refused asks again a little later: else refusals, which are fast, would be most of the load.
REFUSED_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Throughput:
    """When answers came.

    Attributes
    ----------
    started
        `time.monotonic()` of the first request.
    answered
        (n,) float64, seconds after `started`, of the answers of status 200, in order.
    looks
        (m, 2) float64: seconds after `started`, and processor seconds that others used since then.
    refused
        How many answers had another status.
    """

    started: float
    answered: np.ndarray
    looks: np.ndarray
    refused: int

    def rate(self, begin: float, end: float) -> float:
        """Return right answers per second between two instants, had the whole machine been left to us."""
        answers = np.searchsorted(self.answered, end) - np.searchsorted(self.answered, begin)
        return float(answers) / ((end - begin) * (1 - self.others(begin, end)))

    def others(self, begin: float, end: float) -> float:
        """Return which share of the processors others used between two instants, at most 0.9."""
        used = np.interp([begin, end], self.looks[:, 0], self.looks[:, 1])
        return float(np.clip((used[1] - used[0]) / ((end - begin) * (os.cpu_count() or 1)), 0.0, 0.9))

    def back_seconds(self, ended: float, wanted_rate: float, until: float) -> float:
        """Return how long after `ended` a second begins whose rate is as wanted, and that of all the time after it."""
        for begin in np.arange(ended, until - 1.0, 0.05):
            if min(self.rate(begin, begin + 1.0), self.rate(begin, until)) >= wanted_rate:
                return float(begin - ended)
        return float("inf")


def measure_throughput(served: Served, requests: Sequence[bytes], connections: int, seconds: float) -> Throughput:
    """Return when a server answered to so many connections, each asking again when it is answered."""
    with _looking_at_others(served) as looks:
        return uvloop.run(_Loop(served.port, requests, looks).run(connections, seconds))


@contextlib.contextmanager
def _looking_at_others(served: Served) -> Iterator[list[tuple[float, float]]]:
    """Yield (time, processor seconds used by all but this process and the workers) of each look."""
    looks: list[tuple[float, float]] = []
    ours, ended = [psutil.Process(), *served.workers()], threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            machine = psutil.cpu_times()
            used = sum(process.cpu_times().user + process.cpu_times().system for process in ours)
            looks.append((time.monotonic(), sum(machine) - machine.idle - machine.iowait - used))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join()


@dataclass
class _Loop:
    """What the connections share; they call it as they call an open loop."""

    port: int
    requests: Sequence[bytes]
    looks: list[tuple[float, float]]
    started: float = 0.0
    answered: list[float] = field(default_factory=list)
    refused: int = 0
    sent: int = 0
    is_over: bool = False

    async def run(self, connections: int, seconds: float) -> Throughput:
        self.started = time.monotonic()
        made = [await self._connect() for _ in range(connections)]
        await asyncio.sleep(seconds)
        self.is_over = True
        for connection in made:
            connection.close()
        await asyncio.sleep(0.05)
        looks = np.array(self.looks) - np.array([self.started, self.looks[0][1]])
        return Throughput(self.started, np.array(self.answered), looks, self.refused)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        self._send(connection)
        return connection

    def _send(self, connection: Connection) -> None:
        if not self.is_over and not connection.is_lost:
            self.sent += 1
            connection.send(self.sent, self.requests[self.sent % len(self.requests)])

    def ended(self, _: int, status: int) -> None:
        """Count an answer."""
        if status == 200:
            self.answered.append(time.monotonic() - self.started)
            self.was_refused = False
        else:
            self.refused += 1
            self.was_refused = True

    def is_free(self, connection: Connection) -> None:
        """Ask again; `ended` was called just before."""
        if self.was_refused:
            asyncio.get_running_loop().call_later(REFUSED_SECONDS, self._send, connection)
        else:
            self._send(connection)

    def is_gone(self) -> None:
        """Count what can't be: this server closes no connection that is in use."""
        self.refused += not self.is_over
