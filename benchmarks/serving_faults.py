"""Redis killed, silent and slow, and too much load, while our server answers: an open loop through each of them.

    python benchmarks/serving_faults.py [--outage 10] [--rate 300] [--deadline-ms 500] [--workers 2]

Every request counts from its intended time. Redis is killed with SIGKILL and started again on its port with the data
of its append-only file; `silent` and `slow` come from a TCP proxy between the server and Redis.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _machine import machine
from _open_loop import Pace, Recorded, http_request, measure_open_loop
from _serving_bench import BenchProject, Served, Serving, bench_project, predict_body, serve
from _tcp_proxy import TcpProxy

from likewise.stores.embedded import attach

BACK_SECONDS = 2.0
# The client shares two cores with what it measures: an answer sent in time is read so much later.
CLIENT_MS = 100.0
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 5.0
# Faster than so many milliseconds is full speed, whatever the noise of a busy machine before the fault.
FULL_SPEED_MS = 50.0
BODIES = [http_request("/v1/predict/bench", predict_body([user])) for user in range(1_000)]


@dataclass(frozen=True, slots=True)
class Plan:
    """The load, how long the fault lasts, and the server's deadline."""

    rate: float = 300.0
    outage_seconds: float = 10.0
    deadline_ms: float = 500.0
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did.

    Attributes
    ----------
    by_status
        Answers by status; 0 and -1 are requests without an answer.
    latest_ms, noise_ms
        The slowest answer, from its intended time, and the slowest before the fault: what the machine itself adds.
    back_seconds
        From the end of the fault to the last request after it that failed or was slow.
    workers_kept
        Whether the workers are those of the beginning.
    memory_grown_mb
        Of all workers together.
    """

    name: str
    by_status: dict[int, int]
    latest_ms: float
    back_seconds: float
    workers_kept: bool
    memory_grown_mb: float
    noise_ms: float


Fault = Callable[[float], None]


def outage(name: str, served: Served, plan: Plan, fault: Fault) -> Outcome:
    """Return what happens under load when `fault(seconds)` runs in the middle of it; it returns when all is well."""
    ended: list[float] = []

    def run_fault() -> None:
        time.sleep(BEFORE_SECONDS)
        fault(plan.outage_seconds)
        ended.append(time.monotonic())

    before = _memory_mb(served)
    pids = {worker.pid for worker in served.workers()}
    thread = threading.Thread(target=run_fault)
    thread.start()
    pace = Pace(plan.rate, BEFORE_SECONDS + plan.outage_seconds + AFTER_SECONDS)
    recorded = measure_open_loop(served.port, BODIES, pace)
    thread.join()
    calm = recorded.latencies_ms[recorded.due < BEFORE_SECONDS - 1.0]
    return Outcome(
        name=name,
        by_status=recorded.count_by_status(),
        latest_ms=float(recorded.latencies_ms.max()),
        back_seconds=_back_seconds(recorded, ended[0] - recorded.started, float(np.percentile(calm, 99))),
        workers_kept=pids == {worker.pid for worker in served.workers()},
        memory_grown_mb=_memory_mb(served) - before,
        noise_ms=float(calm.max()),
    )


def _back_seconds(recorded: Recorded, ended: float, calm_ms: float) -> float:
    late = (recorded.statuses != 200) | (recorded.latencies_ms > max(FULL_SPEED_MS, 2 * calm_ms))
    after = recorded.due[late & (recorded.due >= ended)]
    # A last hiccup of the client's own machine is not the fault's: full speed is 99 % of a second.
    for second in np.arange(ended, recorded.due[-1] - 1.0, 0.05):
        due = (recorded.due >= second) & (recorded.due < second + 1.0)
        if late[due].mean() <= 0.01:
            return max(0.0, float(second - ended))
    return float(after.max() - ended) if len(after) else 0.0


def _memory_mb(served: Served) -> float:
    return sum(worker.memory_info().rss for worker in served.workers()) / 1e6


def killed(project: BenchProject) -> Fault:
    """Return the fault of a Redis that is killed and comes back on its port with its data."""

    def fault(seconds: float) -> None:
        os.kill(attach(project.redis_folder).pid, signal.SIGKILL)
        time.sleep(seconds)
        attach(project.redis_folder)

    return fault


def frozen(project: BenchProject) -> Fault:
    """Return the fault of a Redis that is stopped in the middle of its work."""

    def fault(seconds: float) -> None:
        pid = attach(project.redis_folder).pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    return fault


def silent(proxy: TcpProxy) -> Fault:
    """Return the fault of a peer that takes everything and says nothing; connections of that time stay so."""

    def fault(seconds: float) -> None:
        proxy.mode = "silent"
        time.sleep(seconds)
        proxy.mode = "pass"

    return fault


def slow(proxy: TcpProxy, delay_seconds: float) -> Fault:
    """Return the fault of a network that is slow."""

    def fault(seconds: float) -> None:
        proxy.delay_seconds = delay_seconds
        time.sleep(seconds)
        proxy.delay_seconds = 0.0

    return fault


def overload(served: Served, rate: float, seconds: float) -> Outcome:
    """Return what happens at a rate that is far above what the server can answer."""
    before = _memory_mb(served)
    pids = {worker.pid for worker in served.workers()}
    recorded = measure_open_loop(served.port, BODIES, Pace(rate, seconds, connections=2_000))
    memory = _memory_mb(served) - before
    calm = measure_open_loop(served.port, BODIES, Pace(100.0, 2.0))
    return Outcome(
        name=f"overload {rate:,.0f}/s",
        by_status=recorded.count_by_status(),
        latest_ms=float(recorded.latencies_ms.max()),
        back_seconds=_back_seconds(calm, 0.0, 0.0),
        workers_kept=pids == {worker.pid for worker in served.workers()},
        memory_grown_mb=memory,
        noise_ms=0.0,
    )


FAULTS = ("killed", "frozen", "silent", "slow 0.1 s", "slow 2 s")


def outages(folder: Path, plan: Plan, names: Sequence[str] = FAULTS) -> Iterator[Outcome]:
    """Yield the outcome of each fault of the store in turn, over one server that reads through a proxy."""
    with (
        bench_project(folder) as project,
        TcpProxy(project.redis.port).running() as proxy,
        serve(project, _serving(plan, proxy)) as served,
    ):
        faults = {
            "killed": killed(project),
            "frozen": frozen(project),
            "silent": silent(proxy),
            "slow 0.1 s": slow(proxy, 0.1),
            "slow 2 s": slow(proxy, 2.0),
        }
        for name in names:
            yield outage(name, served, plan, faults[name])


def _serving(plan: Plan, proxy: TcpProxy) -> Serving:
    settings, limits = {"workers": plan.workers}, {"deadline_ms": plan.deadline_ms}
    return Serving(settings, limits, f"redis://127.0.0.1:{proxy.port}/0")


def main() -> None:
    """Run every fault and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--outage", type=float, default=10.0, help="seconds")
    options.add_argument("--rate", type=float, default=300.0, help="requests per second")
    options.add_argument("--deadline-ms", type=float, default=500.0)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--overload", type=float, default=6_000.0, help="requests per second; 0 leaves it out")
    chosen = options.parse_args()
    plan = Plan(chosen.rate, chosen.outage, chosen.deadline_ms, chosen.workers)
    print(f"{machine()}; {plan.workers} workers, {plan.rate:g} requests/s, faults of {plan.outage_seconds:g} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for outcome in outages(folder / "faults", plan):
            show(outcome, plan)
        if chosen.overload:
            limits = {"deadline_ms": plan.deadline_ms}
            with (
                bench_project(folder / "overload") as project,
                serve(project, Serving({"workers": plan.workers}, limits)) as served,
            ):
                show(overload(served, chosen.overload, 5.0), plan)


def show(outcome: Outcome, plan: Plan) -> None:
    """Print one line, with the bars."""
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(outcome.by_status.items()))
    print(
        f"{outcome.name:<18} latest answer {outcome.latest_ms:7.1f} ms"
        f" (deadline {plan.deadline_ms:g}, slowest before {outcome.noise_ms:.1f})"
        f"  full speed after {outcome.back_seconds:5.2f} s (bar {BACK_SECONDS:g})"
        f"  workers kept {outcome.workers_kept}  memory {outcome.memory_grown_mb:+.1f} MB  {statuses}",
        flush=True,
    )


if __name__ == "__main__":
    main()
