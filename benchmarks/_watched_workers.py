"""Memory, file handles and threads of a server's workers over a run, and whether they stay flat."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import psutil
from _serving_bench import Served

# What a worker may grow by in the last three quarters of a run. In one of 2,000,000 answers and 2,000 swaps, 4 MB are
# 3 bytes for an answer and 3 kB for a swap; a release that stays behind takes far more.
MEMORY_SHARE, MEMORY_MB, HANDLES = 0.03, 4.0, 2


@dataclass(frozen=True, slots=True)
class Trend:
    """How a worker went from the end of the first quarter of the answers to the last one.

    Attributes
    ----------
    memory_mb, grown_mb
        Memory at the beginning of that time and what came to it, both by a line through all samples.
    per_million_mb
        The slope of the line, MB per million answers.
    handles, handles_after
        Most file handles in the second quarter, and in the last one.
    threads, threads_after
        The same for threads.
    """

    memory_mb: float
    grown_mb: float
    per_million_mb: float
    handles: int
    handles_after: int
    threads: int
    threads_after: int

    @property
    def bound_mb(self) -> float:
        """Return how much memory may grow."""
        return max(MEMORY_MB, MEMORY_SHARE * self.memory_mb)

    @property
    def is_flat(self) -> bool:
        """Whether nothing grew by more than the noise."""
        more = max(self.handles_after - self.handles, self.threads_after - self.threads)
        return self.grown_mb <= self.bound_mb and more <= HANDLES


@dataclass(slots=True)
class Watched:
    """Memory, file handles and threads of the workers over time.

    Attributes
    ----------
    samples
        process id -> (answers so far, memory in MB, handles, threads) of each look.
    processor_seconds
        Of each look, since their beginnings: of the workers together, and of this client.
    """

    samples: dict[int, list[tuple[int, float, int, int]]] = field(default_factory=dict)
    processor_seconds: list[tuple[float, float]] = field(default_factory=list)

    def look(self, served: Served, answers: int) -> None:
        """Look once."""
        used = 0.0
        for worker in served.workers():
            seen = (answers, worker.memory_info().rss / 1e6, worker.num_fds(), worker.num_threads())
            self.samples.setdefault(worker.pid, []).append(seen)
            times = worker.cpu_times()
            used += times.user + times.system
        self.processor_seconds.append((used, time.process_time()))

    @property
    def used(self) -> tuple[float, float]:
        """Return the processor seconds of workers and client between the first look and the last."""
        (workers, client), (workers_after, client_after) = self.processor_seconds[0], self.processor_seconds[-1]
        return workers_after - workers, client_after - client

    def trends(self) -> Mapping[int, Trend]:
        """Return how each worker went."""
        return {pid: _trend(np.array(samples)) for pid, samples in self.samples.items()}

    @property
    def is_flat(self) -> bool:
        """Whether no worker grew by more than the noise."""
        return all(trend.is_flat for trend in self.trends().values())


def _trend(samples: np.ndarray) -> Trend:
    quarter = len(samples) // 4
    later, second, last = samples[quarter:], samples[quarter : 2 * quarter + 1], samples[-quarter - 1 :]
    answers = later[:, 0] - later[0, 0]
    # Of a run too short for two looks there is no slope.
    slope, start = np.polyfit(answers, later[:, 1], 1) if np.ptp(answers) else (0.0, later[0, 1])
    handles, threads = (int(second[:, at].max()) for at in (2, 3))
    handles_after, threads_after = (int(last[:, at].max()) for at in (2, 3))
    grown = float(slope * answers[-1])
    return Trend(float(start), grown, float(slope * 1e6), handles, handles_after, threads, threads_after)


def connections_by_worker(served: Served) -> list[int]:
    """Return how many connections each worker has with clients."""
    found = []
    for worker in served.workers():
        ports = [link.laddr.port for link in worker.net_connections("tcp") if link.status == psutil.CONN_ESTABLISHED]
        found.append(ports.count(served.port))
    return found
