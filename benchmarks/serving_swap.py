"""Releases that swap under load: every answer checked against the release that it names, memory and handles watched.

    python benchmarks/serving_swap.py [--requests 100000] [--swap-every 1000] [--workers 2]

Three releases of different transforms and models take turns behind one alias. The bar is 2,000,000 requests.
"""

import argparse
import asyncio
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from _machine import machine
from _open_loop import http_request
from _serving_bench import BenchProject, Served, Serving, bench_project, predict_body, serve
from _swap_client import Checker, Expected, Flow, Verdict, drive

from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.predict_answer import predict_answer
from likewise.serving.registry_releases import RegistryReleases
from likewise.stores.clock import WallClock
from likewise.transforms.registry import Registry

RELEASES = 3
KEYS = 200
CONNECTIONS, DEPTH = 8, 8
BOUND = 1e-5  # the bound that models state (`likewise.models.packaging`)
# What a worker may differ by from the second quarter of the run to the last one.
MEMORY_SHARE, MEMORY_MB, HANDLES = 0.03, 4.0, 2


@dataclass(slots=True)
class Watched:
    """Memory, file handles and threads of the workers over time.

    Attributes
    ----------
    samples
        process id -> (memory in MB, handles, threads) of each look.
    """

    samples: dict[int, list[tuple[float, int, int]]] = field(default_factory=dict)

    def look(self, served: Served) -> None:
        """Look once."""
        for worker in served.workers():
            seen = (worker.memory_info().rss / 1e6, worker.num_fds(), worker.num_threads())
            self.samples.setdefault(worker.pid, []).append(seen)

    def trends(self) -> Mapping[int, tuple[np.ndarray, np.ndarray]]:
        """Return each worker's medians of the second quarter and of the last one."""
        found = {}
        for pid, samples in self.samples.items():
            quarter = max(1, len(samples) // 4)
            found[pid] = np.median(samples[quarter : 2 * quarter], axis=0), np.median(samples[-quarter:], axis=0)
        return found

    @property
    def is_flat(self) -> bool:
        """Whether no worker was replaced, and none grew by more than the noise."""
        return all(
            last[0] <= second[0] + max(MEMORY_MB, MEMORY_SHARE * second[0]) and last[1] <= second[1] + HANDLES
            for second, last in self.trends().values()
        )


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a run showed."""

    verdict: Verdict
    watched: Watched
    swaps: int
    seconds: float
    workers_kept: bool


class Mover:
    """Points the alias at the next release whenever it is told to, on a thread of its own."""

    def __init__(self, url: str) -> None:
        self._registry, self._told = Registry(url), queue.SimpleQueue[str]()
        self._thread = threading.Thread(target=self._work, name="mover")
        self._version = 1
        self.swaps = 0
        self._thread.start()

    def move(self) -> None:
        """Move once, soon."""
        self._told.put("move")

    def close(self) -> None:
        """End after the moves that are due."""
        self._told.put("end")
        self._thread.join()

    def _work(self) -> None:
        while self._told.get() == "move":
            self._version = self._version % RELEASES + 1
            self._registry.set_alias("bench", "prod", self._version, why="soak")
            self.swaps += 1


def expected_answers(project: BenchProject) -> dict[bytes, Expected]:
    """Return what each release must answer for each key, by the code that serves, without a server."""
    os.environ["BENCH_REDIS"] = project.redis.url
    source = RegistryReleases(Registry(project.registry), FeastRepository(project.repo, WallClock()))
    found = {}
    for version in range(1, RELEASES + 1):
        release = source.load("bench", version)
        answers = []
        for user in range(KEYS):
            rows = check_rows(release.reader.plan, {"user_id": [user]}, RowRules("entities", 1, ignore_unknown=False))
            answers.append(release.predict(rows))
        found[release.identity.reference.encode()] = Expected(
            release.identity.transform.encode(),
            [predict_answer(release, answer, explain=False) for answer in answers],
            [float(answer.predictions[0]) for answer in answers],
        )
    _check_apart(found)
    return found


def _check_apart(expected: Mapping[bytes, Expected]) -> None:
    """Refuse releases whose answers can't be told apart: nothing would be shown."""
    table = np.array([answers.predictions for answers in expected.values()])
    for one in range(len(table)):
        for other in range(one):
            if np.abs(table[one] - table[other]).min() <= 2 * BOUND:
                raise SystemExit(
                    f"releases {other + 1} and {one + 1} predict the same for some key; choose other seeds"
                )


def soak(project: BenchProject, served: Served, requests: int, swap_every: int) -> Swapped:
    """Return what a run of so many requests shows."""
    checker = Checker(expected_answers(project), BOUND)
    bodies = [http_request("/v1/predict/bench", predict_body([user])) for user in range(KEYS)]
    pids = {worker.pid for worker in served.workers()}
    mover, watched, due = Mover(project.registry), Watched(), [swap_every]

    def each(answers: int) -> None:
        while answers >= due[0]:
            due[0] += swap_every
            mover.move()

    async def run() -> None:
        looking = asyncio.create_task(_look(watched, served, checker.verdict, requests))
        await drive(served.port, bodies, Flow(requests, CONNECTIONS, DEPTH, each), checker)
        looking.cancel()

    started = time.monotonic()
    try:
        uvloop.run(run())
    finally:
        mover.close()
    kept = pids == {worker.pid for worker in served.workers()}
    return Swapped(checker.verdict, watched, mover.swaps, time.monotonic() - started, kept)


async def _look(watched: Watched, served: Served, verdict: Verdict, requests: int) -> None:
    """Look every half second; say how far it is every ten."""
    for at in range(10**9):
        watched.look(served)
        if at % 20 == 19:
            memory = ", ".join(f"{samples[-1][0]:.0f}" for samples in watched.samples.values())
            print(f"  {verdict.answers:,} of {requests:,}, wrong {verdict.wrong}, memory {memory} MB", file=sys.stderr)
        await asyncio.sleep(0.5)


def run_soak(folder: Path, requests: int, swap_every: int, workers: int) -> Swapped:
    """Make the project in a folder, serve it, and return what a run shows."""
    serving = Serving({"workers": workers, "poll_seconds": 0.1})
    with bench_project(folder, views=1, releases=RELEASES) as project, serve(project, serving) as served:
        return soak(project, served, requests, swap_every)


def main() -> None:
    """Run the soak and print what it showed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--swap-every", type=int, default=1_000)
    options.add_argument("--workers", type=int, default=2)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = run_soak(Path(name) / "soak", chosen.requests, chosen.swap_every, chosen.workers)
    show(found)
    raise SystemExit(0 if found.verdict.wrong == 0 and found.watched.is_flat and found.workers_kept else 1)


def show(found: Swapped) -> None:
    """Print the run, with the bars."""
    verdict = found.verdict
    print(f"{machine()}")
    print(
        f"{verdict.answers:,} answers in {found.seconds:.0f} s ({verdict.answers / found.seconds:,.0f}/s), "
        f"{found.swaps:,} swaps of the alias, {verdict.changes:,} seen by {CONNECTIONS} connections"
    )
    print(f"exact bytes of the release named: {verdict.exact:,}; others within {BOUND:g}: {verdict.within:,}")
    print(f"beyond the bound: {verdict.beyond} (bar 0), torn: {verdict.torn} (bar 0)")
    print(f"by status: {dict(verdict.by_status)}")
    print(
        "by release: " + ", ".join(f"{name.decode()} {count:,}" for name, count in sorted(verdict.by_release.items()))
    )
    for pid, (second, last) in found.watched.trends().items():
        print(
            f"worker {pid}: memory {second[0]:.1f} -> {last[0]:.1f} MB, handles {second[1]:.0f} -> {last[1]:.0f}, "
            f"threads {second[2]:.0f} -> {last[2]:.0f} (medians of the second and the last quarter)"
        )
    print(f"flat: {found.watched.is_flat}, workers kept: {found.workers_kept} (bar True, True)")
    for example in verdict.examples:
        print(f"  {example}")


if __name__ == "__main__":
    main()
