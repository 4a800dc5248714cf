"""The packed online store against Feast's Redis store and bare MGET: one run, the same data, the same Redis.

5 views of 50 float64 features. Actions of both stores alternate and medians are printed, with the bar beside each
figure; a run takes about four minutes on an idle machine. Redis is the embedded one: every write goes to its
append-only file.
"""

import argparse
import contextlib
import io
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from _machine import machine
from _online_memory import SHAPES, Shape, bytes_a_row
from _online_project import (
    FEASTS,
    FEATURES,
    HEADING,
    NOW,
    OURS,
    VIEWS,
    Bench,
    Figure,
    bench,
    feature_names,
    table_of,
)
from feast import FeatureStore, ValueType

from likewise.stores.clock import WallClock
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_redis import PackedRedisOnlineStore

CALLS_PER_TURN = 5
BATCH_ROWS = 65_536
DAY = timedelta(days=1)


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes, its chatter swallowed."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        action()
        return time.perf_counter() - start


def side_by_side(pairs: Sequence[dict[str, Callable[[], object]]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each action.

    Pairs take turns, the actions of a pair alternate call by call: a busy machine, or a server that has just gone to
    sleep, hits both alike. The first call of a turn is not counted: Feast keeps resolved requests in one cache for
    the whole process, which the other repository's turn has emptied.
    """
    taken: dict[str, list[float]] = {name: [] for pair in pairs for name in pair}
    for _ in range(-(-repeats // CALLS_PER_TURN)):
        for pair in pairs:
            for call in range(1 + CALLS_PER_TURN):
                for name, action in pair.items():
                    taken[name] += [seconds(action)][: call and 1]
    return {name: statistics.median(times) for name, times in taken.items()}


def materialization(it: Bench, repeats: int) -> tuple[FeatureStore, FeatureStore]:
    """Materialize the same files both ways, in turns, into an empty Redis; return both stores, filled."""
    stores = [it.repository(project, parts, it.views()) for project, parts in (("theirs", FEASTS), ("ours", OURS))]
    taken: list[list[float]] = [[], []]
    grown = [0, 0]
    for _ in range(repeats):
        it.raw.flushall()
        for at, store in enumerate(stores):
            before = it.used_memory()
            taken[at].append(seconds(lambda store=store: store.materialize(NOW - DAY, NOW)))  # type: ignore[misc]
            grown[at] = it.used_memory() - before
    theirs, ours = (statistics.median(times) for times in taken)
    what = f"materialize {VIEWS} views x {it.rows:,} rows x {FEATURES}"
    show(Figure.at_least(what, f"{theirs:.2f} s", f"{ours:.2f} s", theirs / ours, 15))
    sizes = [f"{size / 1e6:.1f} MB" for size in grown]
    show(Figure.at_most("  memory in Redis for these rows", *sizes, grown[1] / grown[0], 0.75))
    return stores[0], stores[1]


def reads(it: Bench, theirs: FeatureStore, ours: FeatureStore, entities: int, repeats: int) -> None:
    """Read the same entities four ways."""
    chosen = np.random.default_rng(9).permutation(it.rows)[:entities].tolist()
    references = [f"view_{view}:{name}" for view in range(VIEWS) for name in feature_names(view)]
    entity_rows = [{"uid": uid} for uid in chosen]
    types = (ValueType.DOUBLE,) * FEATURES
    requests = [ViewRequest(f"view_{at}", ("uid",), tuple(feature_names(at)), types, DAY) for at in range(VIEWS)]
    reader = PackedReader(it.raw, "ours", requests, WallClock())
    keys = [f"lw1:ours:view_{at}:{uid}".encode() for at in range(VIEWS) for uid in chosen]
    assert None not in it.raw.mget(keys)
    answers = [store.get_online_features(references, entity_rows=entity_rows).to_dict() for store in (theirs, ours)]
    assert answers[0] == answers[1]
    feast = {"feast": lambda: theirs.get_online_features(references, entity_rows=entity_rows).to_dict()}
    packed = {"ours": lambda: ours.get_online_features(references, entity_rows=entity_rows).to_dict()}
    bare = {"mget": lambda: it.raw.mget(keys), "native": lambda: reader.read({"uid": chosen})}
    ms = {name: taken * 1e3 for name, taken in side_by_side([feast, packed, bare], repeats).items()}
    shown = {name: f"{taken:.2f} ms" for name, taken in ms.items()}
    what = f"get_online_features().to_dict(), {entities} x {VIEWS * FEATURES}"
    if entities > 1:
        show(Figure.at_least(what, shown["feast"], shown["ours"], ms["feast"] / ms["ours"], 4))
        show(Figure.at_least("  native read", shown["feast"], shown["native"], ms["feast"] / ms["native"], 60))
    else:
        show(Figure(what, shown["feast"], shown["ours"], f"{ms['feast'] / ms['ours']:.1f}x"))
        show(Figure("  native read", shown["feast"], shown["native"], f"{ms['feast'] / ms['native']:.1f}x"))
    show(Figure.at_most("  native read against raw MGET", shown["mget"], shown["native"], ms["native"] / ms["mget"], 2))


def bulk(it: Bench, rows: int) -> None:
    """Write many rows from Arrow and by `feast materialize`: rows a second, memory, processor time."""
    it.raw.flushall()
    view = it.view("bulk", 0)
    store = it.repository("bulk", OURS, [view])
    online = PackedRedisOnlineStore()
    pq.write_table(table_of(0, rows, minutes=2), it.folder / "bulk.parquet", row_group_size=100_000)
    states = (("into an empty Redis", 0), ("again, all there", 0), ("again, all newer", 1))
    for what, minutes in states:
        made = batches(rows, minutes)
        writing(
            it,
            rows,
            f"write {rows:,} x {FEATURES} from Arrow, {what}",
            lambda made=made: online.write_arrow(store.config, view, made),
        )  # type: ignore[misc]
    for what in ("all newer", "again, all there"):
        writing(it, rows, f"materialize {rows:,} x {FEATURES}, {what}", lambda: store.materialize(NOW - DAY, NOW))


def batches(rows: int, minutes: int) -> Iterator[pa.RecordBatch]:
    """Yield record batches one by one, so that the source takes no memory of its own."""
    block = table_of(0, BATCH_ROWS, minutes)
    for start in range(0, rows, BATCH_ROWS):
        uid = pa.array(np.arange(start, min(start + BATCH_ROWS, rows)))
        part = block.slice(0, len(uid)).set_column(0, "uid", uid)
        yield from part.combine_chunks().to_batches()


def writing(it: Bench, rows: int, what: str, action: Callable[[], object]) -> None:
    """Run a bulk write and show its speed, its memory and what it cost either side."""
    python, server = time.process_time(), it.server_seconds()
    with resident_growth() as grown:
        taken = seconds(action)
    python, server = time.process_time() - python, it.server_seconds() - server
    rate = rows / taken
    show(Figure(what, "", f"{taken:.1f} s", f"{rate:,.0f}/s", ">= 100,000/s", rate >= 100_000))
    spent = f"{python / rows * 1e6:.1f} us a row in Python, {server / rows * 1e6:.1f} us in Redis"
    print(f"    memory grew by {grown[0] / 1e6:,.0f} MB; {spent}", flush=True)


@contextlib.contextmanager
def resident_growth() -> Iterator[list[int]]:
    """Yield a list that holds, after the block, by how many bytes this process grew at most."""
    process, done, grown = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.02):
            grown[0] = max(grown[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield grown
    finally:
        done.set()
        watcher.join()


def memory(it: Bench, shapes: Sequence[Shape]) -> None:
    """Show what rows of several shapes take in Redis, keys included."""
    for shape in shapes:
        theirs, ours = bytes_a_row(it, shape)
        figure = (f"memory, {shape.name}", f"{theirs:,.0f} B/row", f"{ours:,.0f} B/row")
        show(Figure.at_most(*figure, ours / theirs, 0.75))


def show(figure: Figure) -> None:
    """Print a line."""
    print(figure.line(), flush=True)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of each view (default 10,000)")
    parser.add_argument("--bulk-rows", type=int, default=1_000_000, help="rows of the bulk write (default 1,000,000)")
    parser.add_argument("--repeats", type=int, default=50, help="repeats of each read (default 50)")
    parser.add_argument("--materializations", type=int, default=3, help="times to materialize (default 3)")
    parts: dict[str, Callable[[Bench, Any], None]] = {
        "reads": lambda it, options: compare(it, options.materializations, options.repeats),
        "writes": lambda it, options: bulk(it, options.bulk_rows),
        "memory": lambda it, _: memory(it, SHAPES),
    }
    parser.add_argument("--only", choices=parts, help="this part alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(machine())
    print(HEADING)
    with bench(options.rows) as it:
        for name, part in parts.items():
            if options.only in (None, name):
                part(it, options)


def compare(it: Bench, materializations: int, repeats: int) -> None:
    """Materialize and read both ways."""
    theirs, ours = materialization(it, materializations)
    for entities in (1, 100):
        reads(it, theirs, ours, entities, repeats)


if __name__ == "__main__":
    main()
