"""Redis killed, moved, silent, failed over and slow, and too much load, while our server answers.

    python benchmarks/serving_faults.py [--outage 10] [--rate 300] [--deadline-ms 500] [--workers 2] [--faults killed]

Each fault comes twice. Under an open loop every request counts from its intended time: is anything lost, or answered
after its deadline? Under a closed loop that keeps the server busy, answers are counted: is it as fast as before? The
client runs on the same cores; what its own event loop was late by is measured, shown, and taken off.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _faults import Fault, failing_over, frozen, killed, moved, silent, slow
from _machine import machine
from _open_loop import Pace, Recorded, http_request, measure_open_loop
from _serving_bench import BenchProject, Served, Serving, bench_project, predict_body, serve
from _tcp_proxy import TcpProxy
from _throughput import measure_throughput

T = TypeVar("T")

BACK_SECONDS = 2.0
# What timers, sockets and the scheduler may add to a deadline.
LATE_MS = 20.0
# Of the answers per second before the fault: so many in a second, and on average from then on, are full speed.
FULL_SPEED = 0.85
MEMORY_MB = 40.0
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 5.0
BUSY_CONNECTIONS = 16
# Other work on the machine takes speed away (what it used is allowed for, but it also comes at bad moments), and never
# gives any: so often the busy client may try.
TRIES = 3
BODIES = [http_request("/v1/predict/bench", predict_body([user])) for user in range(1_000)]
LOST_REQUEST, AFTER_DEADLINE, NOT_FELT = "a request was lost", "an answer after its deadline", "the fault was not felt"
FAULTS = ("killed", "frozen", "silent", "failed over", "slow 0.1 s", "slow 2 s", "other port")


@dataclass(frozen=True, slots=True)
class Plan:
    """The load, how long the fault lasts, and the server's deadline."""

    rate: float = 300.0
    outage_seconds: float = 10.0
    deadline_ms: float = 500.0
    workers: int = 2

    @property
    def seconds(self) -> float:
        """Return how long a load lasts."""
        return BEFORE_SECONDS + self.outage_seconds + AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did.

    Attributes
    ----------
    by_status
        Answers by status; 0 and -1 are requests without an answer.
    latest_ms, client_ms
        The slowest answer, from its intended time, without what this client itself was late; and the most that was.
    back_seconds
        From the end of the fault until hardly a request (1 % of a second's) fails or is slower than the deadline.
    speed_before, speed_after
        Right answers per second of the busy client, before the fault and in the last seconds.
    full_speed_seconds
        From the end of the fault until they are as many as before, and stay so: of each try.
    workers_kept
        Whether the workers are those of the beginning.
    memory_grown_mb
        Of all workers together.
    """

    name: str
    by_status: dict[int, int]
    latest_ms: float
    client_ms: float
    back_seconds: float
    speed_before: float
    speed_after: float
    full_speed_seconds: tuple[float, ...]
    workers_kept: bool
    memory_grown_mb: float

    @property
    def is_flood(self) -> bool:
        """Whether it was too much for this client and the kernel's queues, too: a deadline begins behind them."""
        return self.name.startswith("overload")

    def misses(self, plan: Plan) -> list[str]:
        """Return what it missed of the bar."""
        bars = {
            LOST_REQUEST: set(self.by_status) <= {200, 503, 504} or self.is_flood,
            AFTER_DEADLINE: self.latest_ms <= plan.deadline_ms + LATE_MS or self.is_flood,
            "slow to answer again": self.back_seconds <= BACK_SECONDS,
            "slow to be at full speed": min(self.full_speed_seconds) <= BACK_SECONDS,
            "a worker was lost": self.workers_kept,
            "memory grew": self.memory_grown_mb <= MEMORY_MB,
            NOT_FELT: self.name == "slow 0.1 s" or self.is_flood or len(self.by_status) > 1,
        }
        return [miss for miss, is_met in bars.items() if not is_met]


def outage(name: str, served: Served, plan: Plan, fault: Fault) -> Outcome:
    """Return what happens under load when a fault comes in the middle of it."""
    before = _memory_mb(served)
    pids = {worker.pid for worker in served.workers()}
    recorded, ended = _during(
        fault, plan, lambda: measure_open_loop(served.port, BODIES, Pace(plan.rate, plan.seconds))
    )
    latencies = _without_client(recorded)
    speeds: list[Speed] = []
    while len(speeds) < TRIES and (not speeds or speeds[-1].full_speed_seconds > BACK_SECONDS):
        speeds.append(_speed(served, plan, fault))
    return Outcome(
        name=name,
        by_status=recorded.count_by_status(),
        latest_ms=float(latencies.max()),
        client_ms=float(recorded.client_late_ms.max()),
        back_seconds=_back_seconds(recorded, ended - recorded.started, plan.deadline_ms / 2),
        speed_before=speeds[-1].before,
        speed_after=speeds[-1].after,
        full_speed_seconds=tuple(speed.full_speed_seconds for speed in speeds),
        workers_kept=pids == {worker.pid for worker in served.workers()},
        memory_grown_mb=_memory_mb(served) - before,
    )


def _during(fault: Fault, plan: Plan, load: Callable[[], T]) -> tuple[T, float]:
    """Return what a load gives in the middle of which a fault comes, and when that ended by `time.monotonic()`."""
    ended: list[float] = []

    def run_fault() -> None:
        time.sleep(BEFORE_SECONDS)
        fault(plan.outage_seconds)
        ended.append(time.monotonic())

    thread = threading.Thread(target=run_fault)
    thread.start()
    found = load()
    thread.join()
    if not ended:
        raise SystemExit("the fault itself failed: see above")
    return found, ended[0]


def _without_client(recorded: Recorded) -> np.ndarray:
    return recorded.latencies_ms - recorded.client_late_ms


def _back_seconds(recorded: Recorded, ended: float, slow_ms: float) -> float:
    """Return how long after `ended` a second begins in which 99 % of the requests are answered well."""
    bad = (recorded.statuses != 200) | (_without_client(recorded) > slow_ms)
    last = recorded.due[-1] - 1.0
    for begin in np.arange(ended, last, 0.05):
        if bad[(recorded.due >= begin) & (recorded.due < begin + 1.0)].mean() <= 0.01:
            return max(0.0, float(begin - ended))
    return float("inf")


@dataclass(frozen=True, slots=True)
class Speed:
    """Right answers per second before and long after a fault, and how long it took to get there."""

    before: float
    after: float
    full_speed_seconds: float


def _speed(served: Served, plan: Plan, fault: Fault) -> Speed:
    busy, ended = _during(fault, plan, lambda: measure_throughput(served, BODIES, BUSY_CONNECTIONS, plan.seconds))
    before, after = busy.rate(1.0, BEFORE_SECONDS), busy.rate(plan.seconds - 2.5, plan.seconds - 0.5)
    return Speed(before, after, busy.back_seconds(ended - busy.started, FULL_SPEED * before, plan.seconds - 0.2))


def _memory_mb(served: Served) -> float:
    return sum(worker.memory_info().rss for worker in served.workers()) / 1e6


def overload(served: Served, rate: float, seconds: float) -> Outcome:
    """Return what happens at a rate that is far above what the server can answer."""
    measure_throughput(served, BODIES, BUSY_CONNECTIONS, 1.0)
    before, pids = _memory_mb(served), {worker.pid for worker in served.workers()}
    speed = measure_throughput(served, BODIES, BUSY_CONNECTIONS, 2.0).rate(0.5, 2.0)
    recorded = measure_open_loop(served.port, BODIES, Pace(rate, seconds, connections=2_000))
    memory = _memory_mb(served) - before
    calm = measure_open_loop(served.port, BODIES, Pace(100.0, 2.5))
    after = measure_throughput(served, BODIES, BUSY_CONNECTIONS, 2.5)
    # This client can't send so fast itself: what counts is the time from sending.
    waited = np.nan_to_num((recorded.answered - recorded.sent) * 1e3)
    return Outcome(
        name=f"overload {rate:,.0f}/s",
        by_status=recorded.count_by_status(),
        latest_ms=float(waited.max()),
        client_ms=float(recorded.client_late_ms.max()),
        back_seconds=_back_seconds(calm, 0.0, 100.0),
        speed_before=speed,
        speed_after=after.rate(0.5, 2.5),
        full_speed_seconds=(after.back_seconds(0.0, FULL_SPEED * speed, 2.4),),
        workers_kept=pids == {worker.pid for worker in served.workers()},
        memory_grown_mb=memory,
    )


def outages(folder: Path, plan: Plan, names: Sequence[str] = FAULTS) -> Iterator[Outcome]:
    """Yield the outcome of each fault of the store in turn, over a server that reads through a proxy."""
    with bench_project(folder) as project:
        yield from _outages_behind_a_proxy(project, plan, [name for name in names if name != "other port"])
        if "other port" in names:
            with serve(project, _serving(plan, f"embedded:{project.redis_folder}")) as served:
                measure_throughput(served, BODIES, BUSY_CONNECTIONS, 2.0)
                yield outage("other port", served, plan, moved(project))


def _outages_behind_a_proxy(project: BenchProject, plan: Plan, names: Sequence[str]) -> Iterator[Outcome]:
    with (
        TcpProxy(project.redis.port).running() as proxy,
        serve(project, _serving(plan, f"redis://127.0.0.1:{proxy.port}/0")) as served,
        failing_over(project, proxy) as fail_over,
    ):
        measure_throughput(served, BODIES, BUSY_CONNECTIONS, 2.0)  # a first load makes memory of its own
        faults = {
            "killed": killed(project),
            "frozen": frozen(project),
            "silent": silent(proxy),
            "failed over": fail_over,
            "slow 0.1 s": slow(proxy, 0.1),
            "slow 2 s": slow(proxy, 2.0),
        }
        for name in names:
            yield outage(name, served, plan, faults[name])


def _serving(plan: Plan, store: str) -> Serving:
    return Serving({"workers": plan.workers}, {"deadline_ms": plan.deadline_ms}, store)


def main() -> None:
    """Run every fault and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--outage", type=float, default=10.0, help="seconds")
    options.add_argument("--rate", type=float, default=300.0, help="requests per second")
    options.add_argument("--deadline-ms", type=float, default=500.0)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--faults", default=",".join(FAULTS), help="some of them, separated by commas")
    options.add_argument("--overload", type=float, default=6_000.0, help="requests per second; 0 leaves it out")
    chosen = options.parse_args()
    plan = Plan(chosen.rate, chosen.outage, chosen.deadline_ms, chosen.workers)
    print(f"{machine()}; {plan.workers} workers, {plan.rate:g} requests/s, faults of {plan.outage_seconds:g} s")
    print(
        f"bars: latest answer {plan.deadline_ms:g} ms (and {LATE_MS:g}), answering again and"
        f" {FULL_SPEED:.0%} of the speed before within {BACK_SECONDS:g} s, workers kept, memory +{MEMORY_MB:g} MB"
    )
    misses = []
    with tempfile.TemporaryDirectory() as name:
        for outcome in outages(Path(name) / "faults", plan, chosen.faults.split(",")):
            misses += show(outcome, plan)
        if chosen.overload:
            with (
                bench_project(Path(name) / "overload") as project,
                serve(project, Serving({"workers": plan.workers}, {"deadline_ms": plan.deadline_ms})) as served,
            ):
                misses += show(overload(served, chosen.overload, 5.0), plan)
    print(f"bar met: {not misses}")
    raise SystemExit(1 if misses else 0)


def show(outcome: Outcome, plan: Plan) -> list[str]:
    """Print what a fault did, and return what it missed of the bar."""
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(outcome.by_status.items()))
    misses = outcome.misses(plan)
    print(
        f"{outcome.name:<17} latest {outcome.latest_ms:6.1f} ms (client late {outcome.client_ms:.1f})"
        f"  answers after {outcome.back_seconds:4.2f} s"
        f"  full speed after {', '.join(f'{seconds:.2f}' for seconds in outcome.full_speed_seconds)} s"
        f" ({outcome.speed_before:,.0f} -> {outcome.speed_after:,.0f}/s)"
        f"  workers kept {outcome.workers_kept}  memory {outcome.memory_grown_mb:+.1f} MB  {statuses}"
        f"{'  MISSED: ' + ', '.join(misses) if misses else ''}",
        flush=True,
    )
    return misses


if __name__ == "__main__":
    main()
