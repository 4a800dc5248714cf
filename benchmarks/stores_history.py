"""History: our as-of store beside Feast's stores and a hand-written Polars as-of join, in one run.

Every contender gets the same pandas entity rows and returns an Arrow table; rounds are interleaved, so that a busy
machine slows all of them alike; medians and ratios are printed, with the bar beside each. Two joins by hand: the bare
one (no TTL, no ties by created time: less work than ours), and one that gives our answer, which is checked.

    python benchmarks/stores_history.py                            # all at 1M rows; minutes, and 8 GB
    python benchmarks/stores_history.py --only polars              # beside the joins by hand alone
    python benchmarks/stores_history.py --stream-rows 10000000     # 10M rows to Parquet under --memory-limit 1GB
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
from _machine import machine
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

OURS = "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore"
START, SPAN_US = np.datetime64("2024-01-01", "us"), 90 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Size:
    """How much data."""

    entity_rows: int
    view_rows: int
    views: int = 3
    features: int = 10
    ttl_days: int = 7
    keys: int = 50_000

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
        columns = {"uid": draw.integers(0, size.keys, size.view_rows), "event_timestamp": events, "created": events}
        columns |= {f"f{v}_{i}": draw.normal(size=size.view_rows) for i in range(size.features)}
        pq.write_table(pa.table(columns), folder / f"v{v}.parquet")
    with pq.ParquetWriter(folder / "entities.parquet", entity_rows(draw, 1, size.keys).schema) as writer:
        for start in range(0, size.entity_rows, 1_000_000):
            writer.write_table(entity_rows(draw, min(1_000_000, size.entity_rows - start), size.keys))


def entity_rows(draw: np.random.Generator, count: int, keys: int) -> pa.Table:
    """Return entity rows with a label."""
    return pa.table(
        {
            "uid": draw.integers(0, keys, count),
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


def by_polars(folder: Path, size: Size, frame: pd.DataFrame, *, exact: bool) -> pa.Table:
    """Join by hand, as one would without a store.

    Parameters
    ----------
    exact
        With TTL and ties by created time, as the store answers; else without both.
    """
    rows = pl.from_pandas(frame).with_row_index("row").sort("event_timestamp")
    order = ["event_timestamp", "created"] if exact else ["event_timestamp"]
    within = timedelta(days=size.ttl_days) if exact and size.ttl_days else None
    for v in range(size.views):
        features = [f"f{v}_{i}" for i in range(size.features)]
        view = pl.read_parquet(folder / f"v{v}.parquet", columns=["uid", *order, *features]).sort(order)
        view = view.select("uid", "event_timestamp", *features)
        rows = rows.join_asof(view, on="event_timestamp", by="uid", strategy="backward", tolerance=within)
    return rows.sort("row").to_arrow()


def by_feast(store: FeatureStore, size: Size, frame: pd.DataFrame) -> pa.Table:
    """Retrieve through Feast."""
    return store.get_historical_features(frame, size.refs()).to_arrow()


@dataclass(frozen=True)
class Contender:
    """Someone to compare with.

    Parameters
    ----------
    at_least
        What the ratio to ours must reach; None: no bar.
    rounds
        How often it runs; those that take minutes run once.
    """

    run: Callable[[], pa.Table]
    at_least: float | None = None
    rounds: int = 10**9


def compare(contenders: dict[str, Contender], rounds: int, rows: int) -> dict[str, Times]:
    """Run all contenders in turn, round after round, after one round that is not counted."""
    times = {name: Times() for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            # Who runs once runs in the first round that counts.
            if number > contender.rounds or (number == 0 and contender.rounds == 1):
                continue
            before, started = os.times(), time.perf_counter()
            result = contender.run()
            seconds, after = time.perf_counter() - started, os.times()
            lost = rows - result.num_rows
            assert not (lost and name == "ours")
            del result
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            note = f"peak so far {peak:.1f} GB{'' if number else ', not counted'}"
            print(f"    {name}: {seconds:.2f} s, {lost:,} rows lost ({note})", flush=True)
            if number:
                times[name].wall.append(seconds)
                times[name].cpu.append(after.user + after.system - before.user - before.system)
    return times


def report(times: dict[str, Times], contenders: dict[str, Contender]) -> None:
    """Print medians, and how many times ours each other took, round by round."""
    print(f"  {'':<24} {'wall s':>8} {'cpu s':>8} {'to ours':>8}   bar")
    for name, found in times.items():
        pairs = [other / own for other, own in zip(found.wall, times["ours"].wall, strict=False)]
        wall, cpu = statistics.median(found.wall), statistics.median(found.cpu)
        ratio, bar = statistics.median(pairs), contenders[name].at_least
        told = "" if bar is None else f"at least {bar:<8g}{'met' if ratio >= bar else 'NOT MET'}"
        print(f"  {name:<24} {wall:8.2f} {cpu:8.2f} {ratio:8.2f}   {told}")


def same_answer(ours: pa.Table, by_hand: pa.Table, refs: list[str]) -> None:
    """Check that the exact join by hand gives our values, row by row."""
    for ref in refs:
        name = ref.split(":")[1]
        own, other = ours[name].combine_chunks(), by_hand[name].combine_chunks()
        assert own.fill_null(np.nan).to_numpy().tobytes() == other.fill_null(np.nan).to_numpy().tobytes(), name


def run_joins(asked: argparse.Namespace) -> None:
    """Compare everything over one set of data."""
    size = Size(asked.rows, asked.rows, ttl_days=asked.ttl_days, keys=asked.keys)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_data(folder, size)
        frame = pd.read_parquet(folder / "entities.parquet")
        stores = {name: open_store(folder, size, name) for name in ("duckdb", "dask")}
        own = open_store(folder, size, OURS, progress=False, threads=asked.threads)
        each = f"{size.view_rows:,} rows x {size.features} features, {size.keys:,} keys, TTL {size.ttl_days} days"
        print(f"{size.entity_rows:,} entity rows x {size.views} views of {each}; {machine()}")
        same_answer(by_feast(own, size, frame), by_polars(folder, size, frame, exact=True), size.refs())
        contenders = {
            "ours": Contender(lambda: by_feast(own, size, frame)),
            "Polars, same answer": Contender(lambda: by_polars(folder, size, frame, exact=True), 0.67),
            "Polars, no TTL, no ties": Contender(lambda: by_polars(folder, size, frame, exact=False), 0.67),
            "Feast duckdb": Contender(lambda: by_feast(stores["duckdb"], size, frame), 3, 2),
            "Feast default (dask)": Contender(lambda: by_feast(stores["dask"], size, frame), 18, 1),
        }
        chosen = {name: found for name, found in contenders.items() if name == "ours" or is_chosen(name, asked.only)}
        report(compare(chosen, asked.rounds, asked.rows), chosen)


def is_chosen(name: str, only: list[str]) -> bool:
    """Say whether a contender is asked for; nothing asked for means all."""
    return not only or any(part.lower() in name.lower() for part in only)


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
    parser.add_argument("--keys", type=int, default=50_000, help="fewer: more rows a key, hard on Feast's stores")
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of those to compare with")
    parser.add_argument("--rounds", type=int, default=5)
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
