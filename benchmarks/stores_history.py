"""History: our as-of store beside Feast's stores and a hand-written Polars as-of join, in one run.

Every contender gets the same pandas entity rows and returns an Arrow table; rounds are interleaved, so that a busy
machine slows all of them alike; medians and ratios are printed. Feast's default store runs at a size of its own,
with ours beside it.

    python benchmarks/stores_history.py --rows 1000000 --rounds 5
    python benchmarks/stores_history.py --stream-rows 10000000 --memory-limit 1GB   # 10M rows to Parquet, bounded
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

OURS = "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore"
START, SPAN_US = np.datetime64("2024-01-01", "us"), 90 * 86_400 * 1_000_000
KEYS = 10_000


@dataclass(frozen=True)
class Size:
    """How much data."""

    entity_rows: int
    view_rows: int
    views: int = 3
    features: int = 10
    ttl_days: int = 7

    def refs(self) -> list[str]:
        """Return every feature of every view."""
        return [f"v{v}:f{v}_{i}" for v in range(self.views) for i in range(self.features)]


@dataclass
class Times:
    """Wall and processor seconds of a contender, round by round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def instants(draw: np.random.Generator, count: int) -> pa.Array:
    """Return instants spread over 90 days."""
    return pa.array(START + draw.integers(0, SPAN_US, count).astype("timedelta64[us]")).cast(pa.timestamp("us", "UTC"))


def write_data(folder: Path, size: Size) -> None:
    """Write the views' rows and the entity rows."""
    draw = np.random.default_rng(7)
    for v in range(size.views):
        events = instants(draw, size.view_rows)
        columns = {"uid": draw.integers(0, KEYS, size.view_rows), "event_timestamp": events, "created": events}
        columns |= {f"f{v}_{i}": draw.normal(size=size.view_rows) for i in range(size.features)}
        pq.write_table(pa.table(columns), folder / f"v{v}.parquet")
    with pq.ParquetWriter(folder / "entities.parquet", entity_rows(draw, 1).schema) as writer:
        for start in range(0, size.entity_rows, 1_000_000):
            writer.write_table(entity_rows(draw, min(1_000_000, size.entity_rows - start)))


def entity_rows(draw: np.random.Generator, count: int) -> pa.Table:
    """Return entity rows with a label."""
    return pa.table(
        {
            "uid": draw.integers(0, KEYS, count),
            "event_timestamp": instants(draw, count),
            "label": draw.integers(0, 2, count),
        }
    )


def open_store(folder: Path, size: Size, offline: str, **settings: object) -> FeatureStore:
    """Return a Feast store over the data."""
    name = offline.rsplit(".", 1)[-1].lower()
    config = RepoConfig(
        project=name,
        provider="local",
        registry=str(folder / f"{name}.db"),
        offline_store={"type": offline, **settings},
        online_store={"type": "sqlite", "path": str(folder / f"{name}_online.db")},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    uid = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=f"v{v}",
            entities=[uid],
            ttl=timedelta(days=size.ttl_days),
            schema=[Field(name=f"f{v}_{i}", dtype=Float64) for i in range(size.features)],
            source=FileSource(
                name=f"s{v}",
                path=str(folder / f"v{v}.parquet"),
                timestamp_field="event_timestamp",
                created_timestamp_column="created",
            ),
        )
        for v in range(size.views)
    ]
    store.apply([uid, *views])
    return store


def by_polars(folder: Path, size: Size, frame: pd.DataFrame) -> pa.Table:
    """Join by hand, as one would without a store; no TTL, no created times."""
    rows = pl.from_pandas(frame).with_row_index("row").sort("event_timestamp")
    for v in range(size.views):
        names = ["uid", "event_timestamp", *(f"f{v}_{i}" for i in range(size.features))]
        view = pl.read_parquet(folder / f"v{v}.parquet", columns=names).sort("event_timestamp")
        rows = rows.join_asof(view, on="event_timestamp", by="uid", strategy="backward")
    return rows.sort("row").to_arrow()


def by_feast(store: FeatureStore, size: Size, frame: pd.DataFrame) -> pa.Table:
    """Retrieve through Feast."""
    return store.get_historical_features(frame, size.refs()).to_arrow()


def compare(contenders: dict[str, Callable[[], pa.Table]], rounds: int, rows: int) -> dict[str, Times]:
    """Run all contenders in turn, round after round, after one round that is not counted."""
    times = {name: Times() for name in contenders}
    for counted in [False] + [True] * rounds:
        for name, run in contenders.items():
            before, started = os.times(), time.perf_counter()
            result = run()
            seconds, after = time.perf_counter() - started, os.times()
            if name == "ours":
                assert result.num_rows == rows
            del result
            print(f"    {name}: {seconds:.2f} s{'' if counted else ' (not counted)'}", flush=True)
            if counted:
                times[name].wall.append(seconds)
                times[name].cpu.append(after.user + after.system - before.user - before.system)
    return times


def report(times: dict[str, Times]) -> None:
    """Print medians and how many times ours each other took."""
    ours = statistics.median(times["ours"].wall)
    for name, found in times.items():
        wall, cpu = statistics.median(found.wall), statistics.median(found.cpu)
        pairs = [a / b for a, b in zip(found.wall, times["ours"].wall, strict=True)]
        print(
            f"  {name:<22} {wall:8.2f} s  (cpu {cpu:7.2f} s)  {wall / ours:6.2f} x ours"
            f"  (by round: median {statistics.median(pairs):.2f})"
        )


def run_joins(asked: argparse.Namespace) -> None:
    """Compare at full size, then the default store at its own."""
    for count, theirs in ((asked.rows, "duckdb"), (asked.default_rows, "dask")):
        if not count:
            continue
        size = Size(count, count, ttl_days=asked.ttl_days)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_data(folder, size)
            frame = pd.read_parquet(folder / "entities.parquet")
            own = open_store(folder, size, OURS, progress=False, threads=asked.threads)
            other = open_store(folder, size, theirs)
            each = f"{count:,} rows x {size.features} features, TTL {size.ttl_days} days"
            print(f"{count:,} entity rows x {size.views} views of {each}")
            contenders = {
                "ours": lambda own=own, size=size, frame=frame: by_feast(own, size, frame),
                "Polars by hand": lambda folder=folder, size=size, frame=frame: by_polars(folder, size, frame),
                f"Feast {theirs}": lambda other=other, size=size, frame=frame: by_feast(other, size, frame),
            }
            report(compare(contenders, asked.rounds, count))


def run_stream(rows: int, memory_limit: str) -> None:
    """Stream a large history to Parquet under a memory limit."""
    size = Size(rows, 1_000_000)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_data(folder, size)
        store = open_store(folder, size, OURS, memory_limit=memory_limit, spill_directory="spill", progress=False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        job = store.get_historical_features("entities.parquet", size.refs())
        written = write(job.to_record_batches(), folder / "history.parquet")
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{written:,} of {rows:,} rows to Parquet in {seconds:.1f} s under {memory_limit} of DuckDB memory")
        print(f"  peak of the process {peak / 2**20:.2f} GB ({before / 2**20:.2f} GB before)")


def write(reader: pa.RecordBatchReader, target: Path) -> int:
    """Write a stream; return its rows."""
    return sum(_written(reader, target))


def _written(reader: pa.RecordBatchReader, target: Path) -> Iterator[int]:
    with pq.ParquetWriter(target, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            yield batch.num_rows


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--default-rows", type=int, default=100_000, help="size for Feast's default store; 0: skip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ttl-days", type=int, default=7, help="TTL of the views; 0: none, hard on Feast's DuckDB")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--stream-rows", type=int, default=0)
    parser.add_argument("--memory-limit", default="1GB")
    asked = parser.parse_args()
    # Polars, dask and Feast warn of each other's versions.
    warnings.simplefilter("ignore")
    if asked.stream_rows:
        run_stream(asked.stream_rows, asked.memory_limit)
    else:
        run_joins(asked)


if __name__ == "__main__":
    main()
