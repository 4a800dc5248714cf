"""Releases that swap under load: every answer checked against the release that it names, memory and handles watched.

    python benchmarks/serving_swap.py [--requests 100000] [--swap-every 1000] [--workers 2]

Three releases of different transforms and models take turns behind one alias. The bar is 2,000,000 requests.
What each release must answer is prepared once, by the code that serves, and is itself held against what training
computes of the rows that were written; an answer is then one comparison of bytes.
"""

import argparse
import asyncio
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from _machine import machine
from _open_loop import http_request
from _serving_bench import BenchProject, Served, Serving, bench_project, predict_body, serve
from _serving_project import rows_of
from _swap_client import Checker, Expected, Flow, Soak, Swaps, Verdict, drive
from _watched_workers import HANDLES, Watched, connections_by_worker

from likewise.models import load_predictor
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.predict_answer import predict_answer
from likewise.serving.registry_releases import RegistryReleases
from likewise.stores.clock import WallClock
from likewise.transforms.registry import Registry

RELEASES, VIEWS = 3, 1
KEYS = 200
CONNECTIONS, DEPTH = 16, 4
BOUND = 1e-5  # the bound that models state (`likewise.models.packaging`)
LOOK_SECONDS, TELL_LOOKS = 0.5, 40


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a run showed.

    Attributes
    ----------
    swaps, seen
        Moves of the alias, and how many of them the connection saw that saw the fewest.
    connections
        Of the client, by worker.
    """

    verdict: Verdict
    watched: Watched
    swaps: int
    seen: int
    seconds: float
    workers_kept: bool
    connections: tuple[int, ...]

    @property
    def is_good(self) -> bool:
        """Whether it met the bar."""
        right = self.verdict.wrong == 0 and self.seen == self.swaps and self.swaps > 0
        return right and self.watched.is_flat and self.workers_kept and min(self.connections) > 0


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
    registry = Registry(project.registry)
    source = RegistryReleases(registry, FeastRepository(project.repo, WallClock()))
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
        _check_as_trained(registry, version, [float(answer.predictions[0]) for answer in answers])
    _check_apart(found)
    return found


def _check_as_trained(registry: Registry, version: int, predictions: Sequence[float]) -> None:
    """Refuse expectations that differ from what training makes of the rows that were written: no store, no server."""
    release = registry.release(f"release:bench:{version}")
    rows = [rows_of(f"v{at}").drop(columns="event_timestamp").set_index("user_id") for at in range(VIEWS)]
    tensors = registry.load(f"transform:{release.transform}").apply(pd.concat(rows, axis=1)[:KEYS])
    trained = load_predictor(registry.get_model(release.nodes[0].artifact)).predict(tensors)
    difference = float(np.abs(trained - np.array(predictions)).max())
    if difference > BOUND:
        raise SystemExit(f"release {version} serves other predictions than training computes, by {difference:g}")


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
    mover, watched, connections = Mover(project.registry), Watched(), []
    swaps = Swaps(swap_every, mover.move)

    async def run() -> None:
        looking = asyncio.create_task(_look(watched, served, checker.verdict, requests))
        driving = asyncio.create_task(
            drive(served.port, Soak(bodies, Flow(requests, CONNECTIONS, DEPTH), checker, swaps))
        )
        await asyncio.sleep(0.2)
        connections.extend(connections_by_worker(served))
        await driving
        looking.cancel()

    started = time.monotonic()
    try:
        uvloop.run(run())
    finally:
        mover.close()
    seconds = time.monotonic() - started
    watched.look(served, checker.verdict.answers)
    kept = pids == {worker.pid for worker in served.workers()}
    seen = min(swaps.seen.values())
    return Swapped(checker.verdict, watched, mover.swaps, seen, seconds, kept, tuple(connections))


async def _look(watched: Watched, served: Served, verdict: Verdict, requests: int) -> None:
    """Look again and again; say now and then how far it is."""
    started = time.monotonic()
    for at in range(10**9):
        watched.look(served, verdict.answers)
        if at % TELL_LOOKS == TELL_LOOKS - 1:
            memory = ", ".join(f"{samples[-1][1]:.0f}" for samples in watched.samples.values())
            rate = verdict.answers / (time.monotonic() - started)
            left = (requests - verdict.answers) / max(rate, 1.0)
            print(
                f"  {verdict.answers:,} of {requests:,} ({rate:,.0f}/s, {left:.0f} s to go),"
                f" wrong {verdict.wrong}, memory {memory} MB",
                file=sys.stderr,
            )
        await asyncio.sleep(LOOK_SECONDS)


def run_soak(folder: Path, requests: int, swap_every: int, workers: int) -> Swapped:
    """Make the project in a folder, serve it, and return what a run shows."""
    serving = Serving({"workers": workers, "poll_seconds": 0.1})
    with bench_project(folder, views=VIEWS, releases=RELEASES) as project, serve(project, serving) as served:
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
    raise SystemExit(0 if found.is_good else 1)


def show(found: Swapped) -> None:
    """Print the run, with the bars."""
    verdict = found.verdict
    server, client = found.watched.used
    print(f"{machine()}; {len(found.connections)} workers with {found.connections} of {CONNECTIONS} connections")
    print(
        f"{verdict.answers:,} answers in {found.seconds:.0f} s ({verdict.answers / found.seconds:,.0f}/s; processor"
        f" seconds: workers {server:.0f}, client {client:.0f}), by status {dict(verdict.by_status)}"
    )
    print(
        f"{found.swaps:,} swaps of the alias, each connection saw at least {found.seen:,} (bar {found.swaps:,});"
        f" out of turn: {verdict.astray} (bar 0)"
    )
    print(f"exact bytes of the release named: {verdict.exact:,}; others within {BOUND:g}: {verdict.within:,}")
    print(f"beyond the bound: {verdict.beyond} (bar 0), torn: {verdict.torn} (bar 0)")
    print(
        "by release: " + ", ".join(f"{name.decode()} {count:,}" for name, count in sorted(verdict.by_release.items()))
    )
    for pid, trend in found.watched.trends().items():
        print(
            f"worker {pid}: memory {trend.memory_mb:.1f} {trend.grown_mb:+.2f} MB in the last three quarters (bar"
            f" +{trend.bound_mb:.1f}), {trend.per_million_mb:+.2f} MB per million answers;"
            f" handles {trend.handles} -> {trend.handles_after}, threads {trend.threads} -> {trend.threads_after}"
            f" (bar +{HANDLES}; most in the second and in the last quarter)"
        )
    print(f"flat: {found.watched.is_flat}, workers kept: {found.workers_kept}; bar met: {found.is_good}")
    for example in verdict.examples:
        print(f"  {example}")


if __name__ == "__main__":
    main()
