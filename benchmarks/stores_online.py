"""The packed online store against Feast's Redis store and bare MGET: one run, the same data, the same Redis.

5 views of 50 float64 features. Bars (ratios, 2 cores): `get_online_features(...).to_dict()` at 100 entities x 250
features at least 4 times as fast as Feast's store, the native read at least 60 times and at most 2 raw MGETs of the
same bytes; materializing 5 x 10,000 rows at least 15 times as fast as Feast's engine; 100,000 rows/s from Arrow;
at most 0.75 of the memory of Feast's layout.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64

from likewise.stores.clock import WallClock
from likewise.stores.embedded import EmbeddedServer, attach, stop
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_redis import PackedRedisOnlineStore

VIEWS, FEATURES = 5, 50
CALLS_PER_TURN = 5
NOW = datetime.now(UTC).replace(microsecond=0)
ENTITIES = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
OURS = {
    "online": "likewise.stores.packed_redis.PackedRedisOnlineStore",
    "offline": "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore",
    "engine": "likewise.stores.local_engine.LikewiseEngine",
}
FEASTS = {"online": "redis", "offline": "dask", "engine": "local"}


@dataclass(frozen=True, slots=True)
class Bench:
    """One Redis, one folder of Parquet files, and the two Feast repositories over them."""

    folder: Path
    server: EmbeddedServer
    raw: Any
    rows: int

    def views(self) -> list[FeatureView]:
        """Return the feature views."""
        return [self._view(at) for at in range(VIEWS)]

    def _view(self, at: int) -> FeatureView:
        fields = [Field(name=name, dtype=Float64) for name in feature_names(at)]
        source = FileSource(
            name=f"source_{at}", path=str(self.folder / f"{at}.parquet"), timestamp_field="event_timestamp"
        )
        return FeatureView(
            name=f"view_{at}",
            entities=[ENTITIES],
            ttl=timedelta(days=1),
            schema=[Field(name="uid", dtype=Int64), *fields],
            source=source,
        )

    def repository(self, project: str, parts: dict[str, str]) -> FeatureStore:
        """Return a Feast store of one kind, views applied."""
        config = RepoConfig(
            project=project,
            provider="local",
            registry=str(self.folder / f"{project}.db"),
            entity_key_serialization_version=3,
            online_store={"type": parts["online"], "connection_string": f"127.0.0.1:{self.server.port}"},
            offline_store={"type": parts["offline"]},
            batch_engine={"type": parts["engine"]},
        )
        store = FeatureStore(config=config)
        store.apply([ENTITIES, *self.views()])
        return store


def feature_names(view: int) -> list[str]:
    """Return the feature names of a view."""
    return [f"f{view}_{at:02d}" for at in range(FEATURES)]


def table_of(view: int, rows: int) -> pa.Table:
    """Return one view's data; fixed seed."""
    rng = np.random.default_rng(view)
    columns: dict[str, Any] = {"uid": np.arange(rows)}
    columns |= {name: rng.normal(size=rows) for name in feature_names(view)}
    instant = np.datetime64(NOW.replace(tzinfo=None) - timedelta(hours=1), "us")
    columns["event_timestamp"] = pa.array(np.full(rows, instant), pa.timestamp("us", tz="UTC"))
    return pa.table(columns)


@contextlib.contextmanager
def bench(rows: int) -> Iterator[Bench]:
    """Run an embedded Redis over fresh Parquet files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for view in range(VIEWS):
            pq.write_table(table_of(view, rows), folder / f"{view}.parquet")
        server = attach(folder / "redis")
        try:
            with redis.Redis.from_url(server.url) as raw:
                yield Bench(folder, server, raw, rows)
        finally:
            stop(folder / "redis")


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


def used_memory(raw: Any) -> int:
    """Return the bytes that Redis has allocated."""
    return int(raw.info("memory")["used_memory"])


def server_seconds(raw: Any) -> float:
    """Return the processor time that Redis has used."""
    cpu = raw.info("cpu")
    return float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"])


def materialization(it: Bench) -> tuple[FeatureStore, FeatureStore]:
    """Materialize the same files both ways; print time and memory; return both stores, filled."""
    it.raw.flushall()
    stores, taken, grown = [], [], []
    for project, parts in (("theirs", FEASTS), ("ours", OURS)):
        store = it.repository(project, parts)
        before = used_memory(it.raw)
        taken.append(seconds(lambda store=store: store.materialize(NOW - timedelta(days=1), NOW)))  # type: ignore[misc]
        grown.append(used_memory(it.raw) - before)
        stores.append(store)
    rows = VIEWS * it.rows
    print(f"materialize {VIEWS} views x {it.rows:,} rows x {FEATURES} features")
    print(f"  Feast's engine and Redis store  {taken[0]:8.2f} s   {rows / taken[0]:10,.0f} rows/s")
    print(f"  ours                            {taken[1]:8.2f} s   {rows / taken[1]:10,.0f} rows/s   ", end="")
    print(f"{taken[0] / taken[1]:.1f}x (bar 15x)")
    print(
        f"  memory in Redis  {grown[0] / 1e6:.1f} MB and {grown[1] / 1e6:.1f} MB: {grown[1] / grown[0]:.2f} (bar 0.75)"
    )
    return stores[0], stores[1]


def reads(it: Bench, theirs: FeatureStore, ours: FeatureStore, entities: int, repeats: int) -> None:
    """Read the same entities four ways; print times and ratios."""
    chosen = np.random.default_rng(9).permutation(it.rows)[:entities].tolist()
    references = [f"view_{view}:{name}" for view in range(VIEWS) for name in feature_names(view)]
    entity_rows = [{"uid": uid} for uid in chosen]
    types = (ValueType.DOUBLE,) * FEATURES
    requests = [
        ViewRequest(f"view_{at}", ("uid",), tuple(feature_names(at)), types, timedelta(days=1)) for at in range(VIEWS)
    ]
    reader = PackedReader(it.raw, "ours", requests, WallClock())
    keys = [f"lw1:ours:view_{at}:{uid}".encode() for at in range(VIEWS) for uid in chosen]
    assert None not in it.raw.mget(keys)
    answers = [store.get_online_features(references, entity_rows=entity_rows).to_dict() for store in (theirs, ours)]
    assert answers[0] == answers[1]
    feast = {"feast": lambda: theirs.get_online_features(references, entity_rows=entity_rows).to_dict()}
    packed = {"ours": lambda: ours.get_online_features(references, entity_rows=entity_rows).to_dict()}
    bare = {"mget": lambda: it.raw.mget(keys), "native": lambda: reader.read({"uid": chosen})}
    taken = side_by_side([feast, packed, bare], repeats)
    ms = {name: value * 1e3 for name, value in taken.items()}
    print(f"read {entities} entities x {VIEWS * FEATURES} features (median of {repeats})")
    print(f"  Feast's Redis store, to_dict    {ms['feast']:8.2f} ms")
    print(f"  ours, to_dict                   {ms['ours']:8.2f} ms   {ms['feast'] / ms['ours']:.1f}x (bar 4x)")
    print(f"  ours, native                    {ms['native']:8.2f} ms   {ms['feast'] / ms['native']:.0f}x (bar 60x)")
    print(
        f"  raw MGET of the same bytes      {ms['mget']:8.2f} ms   native is {ms['native'] / ms['mget']:.2f}x (bar 2)"
    )


def bulk(it: Bench, rows: int) -> None:
    """Write many rows from Arrow; print rows per second, first into an empty store and then over itself."""
    config = it.repository("bulk", OURS).config
    store, view = PackedRedisOnlineStore(), it.views()[0]
    batches = table_of(0, rows).to_batches(max_chunksize=65_536)
    for what in ("new", "again"):
        ours, redis_s = time.process_time(), server_seconds(it.raw)
        taken = seconds(lambda: store.write_arrow(config, view, batches))
        ours, redis_s = time.process_time() - ours, server_seconds(it.raw) - redis_s
        print(f"write {rows:,} rows x {FEATURES} from Arrow, {what}: {rows / taken:,.0f} rows/s (bar 100,000)")
        # What a busy machine does not change much.
        print(f"  processor time a row: {redis_s / rows * 1e6:.1f} us in Redis, {ours / rows * 1e6:.1f} us in Python")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of each view (default 10,000)")
    parser.add_argument("--bulk-rows", type=int, default=1_000_000, help="rows of the bulk write (default 1,000,000)")
    parser.add_argument("--repeats", type=int, default=50, help="repeats of each read (default 50)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with bench(arguments.rows) as it:
        theirs, ours = materialization(it)
        for entities in (1, 100):
            reads(it, theirs, ours, entities, arguments.repeats)
        bulk(it, arguments.bulk_rows)


if __name__ == "__main__":
    main()
