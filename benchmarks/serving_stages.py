"""Where the microseconds of an answer go: each stage alone, on one thread, best of many short runs.

    python benchmarks/serving_stages.py

The best of many short runs is what a stage takes when nothing else wants the core: it holds on a busy machine too.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

sys.path.insert(0, str(Path(__file__).parent))

from _machine import machine
from _serving_bench import bench_project

from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.open_parts import open_parts
from likewise.serving.parts import Parts
from likewise.serving.ports import FeatureRequest
from likewise.serving.predict_answer import predict_answer
from likewise.serving.settings import ServingSettings
from likewise.stores.clock import WallClock
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_round_trip import fetch
from likewise.stores.packed_schema import FieldType

RUNS, SHORT_SECONDS = 60, 0.002
T = TypeVar("T")
RULES = RowRules("entities", 20_000, ignore_unknown=True)


def microseconds(work: Callable[[], object]) -> float:
    """Return what one call takes at best."""
    for _ in range(5):
        work()
    started = time.perf_counter()
    work()
    calls = max(1, int(SHORT_SECONDS / (time.perf_counter() - started)))
    best = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, (time.perf_counter() - started) / calls)
    return best * 1e6


def show(shape: str, stage: str, work: Callable[[], object]) -> None:
    """Print one line of the table."""
    print(f"{shape:<10}{stage:<44}{microseconds(work):>10.1f} us", flush=True)


def main() -> None:
    """Make the project, then time every stage."""
    print(machine())
    with tempfile.TemporaryDirectory() as name, bench_project(Path(name), views=6) as project:
        os.environ["BENCH_REDIS"] = project.redis.url
        parts = open_parts(ServingSettings(repo=project.repo, registry=project.registry, releases=("bench@prod",)))
        for rows, features in ((1, 50), (1, 250), (100, 250)):
            lookup(parts, rows, features)
        for rows in (1, 100):
            predict(parts, rows)


def lookup(parts: Parts, rows: int, features: int) -> None:
    """Time the stages of a lookup."""
    shape = f"{rows} x {features}"
    served = parts.catalog.resolve(FeatureRequest(f"wide_{features}"))
    plan, sent = served.reader.plan, {"user_id": list(range(rows))}
    given = check_rows(plan, sent, RULES)
    client = parts.catalog.link.sync()
    requests = [
        ViewRequest(
            view.stored_name,
            ("user_id",),
            tuple(field.name for field in view.fields),
            tuple(FieldType[field.feast_type] for field in view.fields),
            view.ttl,
        )
        for view in plan.stored
    ]
    keys = [f"lw1:bench:{view.stored_name}:{user}".encode() for user in range(rows) for view in plan.stored]
    held = Held(fetch(client, keys), client)
    reader = PackedReader(None, "bench", requests, WallClock(), held)

    def read() -> ReadAnswer:
        return finished(reader.read_async(given.keys))

    show(shape, "check the request", lambda: check_rows(plan, sent, RULES))
    show(shape, "Redis: one MGET by redis-py", lambda: fetch(client, keys))
    show(shape, "keys, then rows checked and decoded", read)
    show(shape, "the same, and all values as blocks", lambda: read().blocks)
    show(shape, "the same, and all values as columns", lambda: read().columns)
    # Not of one answer again and again: what an answer has made once it remembers.
    write, assemble = served.answer.write, served.reader.assemble
    show(shape, "blocks, and the answer's JSON", lambda: write(assemble(given, read()), with_views=False))


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine that waits for nothing returns."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise SystemExit("the read waited for something")


class Held:
    """A client of the kind that the server has, whose rows are in memory already."""

    def __init__(self, values: list[bytes | None], client: Any) -> None:
        self._values, self._client = values, client

    async def execute_packed(self, command: bytes) -> list[bytes | None]:  # noqa: ARG002  as the client has it
        """Return the rows."""
        return self._values

    async def hgetall(self, key: bytes) -> object:
        """Return a hash, from Redis."""
        return self._client.hgetall(key)


def predict(parts: Parts, rows: int) -> None:
    """Time the stages of a prediction behind its read."""
    release = parts.releases.load("bench", 1)
    given = check_rows(release.reader.plan, {"user_id": list(range(rows))}, RULES)
    read = release.reader.assemble(given, release.reader.store.read(given.keys))
    tensors = release.transform.apply_columns(read.inputs)
    answer = release.finish(read)
    shape = f"{rows} x 60"
    show(shape, "the transform", lambda: release.transform.apply_columns(read.inputs))
    show(shape, "the model", lambda: release.predictor.predict(tensors))
    show(shape, "the prediction's JSON", lambda: predict_answer(release, answer, explain=False))


if __name__ == "__main__":
    main()
