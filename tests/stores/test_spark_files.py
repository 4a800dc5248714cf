"""Feast's Spark store over the repository's file sources, beside ours; docs/stores-offline.md lists what differs.

The values are held equal on random data; each difference has a test of its own, so that one that Feast mends shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import FeatureStore, ValueType
from feast.types import Float64, Int64

from likewise.training.errors import HistoryRowsError
from likewise.training.history_file import ROW
from likewise.training.history_rows import rows_in_order
from tests.spark import ENGINE, OFFLINE, needs_spark, spark_conf
from tests.stores.feast_repository import OURS, ViewOf, apply_views, make_store, store_of
from tests.stores.histories import entities, hour, numbers, table
from tests.stores.test_asof_conformance import random_entities, random_rows

# Feast warns that its Spark store is experimental; what it returns is what is looked at.
pytestmark = [pytest.mark.slow, needs_spark, pytest.mark.filterwarnings("ignore")]
__all__ = ["spark_conf"]


@dataclass(frozen=True)
class Pair:
    """Two stores over the same rows and definitions, each in a folder of its own."""

    folder: Path
    ours: FeatureStore
    spark: FeatureStore

    def hold(self, *views: ViewOf) -> None:
        """Write and register views for both."""
        for name, store in (("ours", self.ours), ("spark", self.spark)):
            apply_views(store, self.folder / name, views)

    def answers(self, rows: pd.DataFrame, *refs: str, **options: object) -> tuple[pa.Table, pa.Table]:
        """Return what both give for rows that carry their number."""
        numbered = rows.assign(**{ROW: range(len(rows))})
        stores = (self.ours, self.spark)
        ours, spark = (store.get_historical_features(numbered.copy(), list(refs), **options) for store in stores)
        return ours.to_arrow(), spark.to_arrow()


@pytest.fixture
def stores(tmp_path: Path, spark_conf: dict[str, str]) -> Pair:
    for name in ("ours", "spark"):
        (tmp_path / name).mkdir()
    spark = make_store(tmp_path / "spark", OFFLINE, spark_conf=spark_conf)
    return Pair(tmp_path, make_store(tmp_path / "ours", OURS), spark)


def in_order(rows: pd.DataFrame, returned: pa.Table) -> pa.Table:
    """Put rows in order, and check them, as `likewise.training.history` does."""
    return rows_in_order(pa.Table.from_pandas(rows.assign(**{ROW: range(len(rows))})), returned)


def column(found: pa.Table, name: str) -> list[float | None]:
    return [None if value is None or value != value else value for value in found[name].to_pylist()]


@pytest.mark.parametrize("known_only", [False, True])
def test_values_are_ours_once_history_put_rows_in_order(stores: Pair, *, known_only: bool) -> None:
    """TTL, no TTL, late rows, corrections, unknown keys and duplicates give the same values; the order is Spark's.

    Difference: the order of rows. History restores it by the row's number and finds every row, once.
    """
    stores.hold(
        ViewOf(
            "short",
            random_rows(5, "short_x", ties=True),
            features={"short_x": Float64},
            ttl=timedelta(hours=2),
            created=True,
        ),
        ViewOf("ever", random_rows(4, "ever_x", ties=True), features={"ever_x": Float64}, created=True),
    )
    rows = random_entities(5).drop(columns="row")
    ours, spark = stores.answers(rows, "short:short_x", "ever:ever_x", filter_by_created_timestamp=known_only)
    assert spark[ROW].to_pylist() != list(range(300))
    ordered = in_order(rows, spark)
    for name in ("short_x", "ever_x"):
        assert column(ordered, name) == column(ours, name)
    assert 50 < sum(value is not None for value in column(ours, "short_x")) < 300


def test_ttl_boundary_is_the_same_and_its_fraction_lost(stores: Pair) -> None:
    """A value is there up to and including event time + TTL; difference: Spark's TTL has whole seconds."""
    stores.hold(
        ViewOf("v", numbers((1, hour(0), hour(0), 1.0)), ttl=timedelta(hours=3)),
        ViewOf(
            "w",
            numbers((1, hour(0), hour(0), 2.0)).rename_columns(["uid", "event_timestamp", "created", "y"]),
            features={"y": Float64},
            ttl=timedelta(seconds=1.5),
        ),
    )
    later = timedelta(microseconds=1)
    rows = entities(
        (1, hour(3)), (1, hour(3) + later), (1, hour(0) + timedelta(seconds=1)), (1, hour(0) + timedelta(seconds=1.5))
    )
    ours, spark = stores.answers(rows, "v:x", "w:y")
    ordered = in_order(rows, spark)
    assert column(ours, "x") == column(ordered, "x") == [1.0, None, 1.0, 1.0]
    assert column(ours, "y") == [None, None, 2.0, 2.0]
    assert column(ordered, "y") == [None, None, 2.0, None]


@pytest.mark.parametrize("created", [False, True])
def test_equal_ranks_repeat_entity_rows(stores: Pair, *, created: bool) -> None:
    """Difference: of source rows with equal times (event, and created where there is one) Spark returns every one.

    History stops with the number of repeated rows; ours takes the last in file order.
    """
    twins = numbers((1, hour(0), hour(0), 1.0), (1, hour(0), hour(0), 2.0))
    stores.hold(ViewOf("v", twins, created=created))
    rows = entities((1, hour(1)), (2, hour(1)))
    ours, spark = stores.answers(rows, "v:x")
    assert column(ours, "x") == [2.0, None]
    assert spark.num_rows == 3
    with pytest.raises(HistoryRowsError, match="repeated 1 entity rows"):
        in_order(rows, spark)


def test_joined_text_keys_run_into_each_other(stores: Pair) -> None:
    """Difference: ("ab", "c") and ("a", "bc") at one instant are one to Spark; history finds the repeated rows."""
    routes = table([("ab", "c", hour(0), 1.0), ("a", "bc", hour(0), 2.0)], "a", "b", "event_timestamp", "x")
    stores.hold(ViewOf("v", routes, {"a": ValueType.STRING, "b": ValueType.STRING}))
    rows = pd.DataFrame({"a": ["ab", "a"], "b": ["c", "bc"], "event_timestamp": [hour(1)] * 2})
    ours, spark = stores.answers(rows, "v:x")
    assert column(ours, "x") == [1.0, 2.0]
    with pytest.raises(HistoryRowsError, match="repeated 2 entity rows"):
        in_order(rows, spark)


def test_missing_keys_and_types(stores: Pair) -> None:
    """A missing key matches nothing in both; differences: Spark's integers with nulls are floats, its times naive."""
    facts = table([(1, hour(0), 7), (None, hour(0), 8)], "uid", "event_timestamp", "x")
    stores.hold(ViewOf("v", facts, features={"x": Int64}))
    rows = pd.DataFrame({"uid": pd.array([1, None, 2], "Int64"), "event_timestamp": [hour(1)] * 3})
    ours, spark = stores.answers(rows, "v:x")
    assert column(ours, "x") == column(in_order(rows, spark), "x") == [7, None, None]
    assert (ours.schema.field("x").type, spark.schema.field("x").type) == (pa.int64(), pa.float64())
    assert (ours.schema.field("event_timestamp").type.tz, spark.schema.field("event_timestamp").type.tz) == (
        "UTC",
        None,
    )


def test_views_without_entities_and_names(stores: Pair) -> None:
    """Views without entities, full names and mapped columns mean the same."""
    stores.hold(
        ViewOf("g", table([(hour(0), 1.0), (hour(2), 2.0)], "event_timestamp", "raw"), {}, field_mapping={"raw": "x"}),
        ViewOf("v", numbers((1, hour(0), hour(0), 5.0))),
    )
    rows = entities((1, hour(1)), (2, hour(3)))
    ours, spark = stores.answers(rows, "g:x", "v:x", full_feature_names=True)
    ordered = in_order(rows, spark)
    for name in ("g__x", "v__x"):
        assert column(ordered, name) == column(ours, name)


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_nanoseconds_are_refused(stores: Pair, zone: str | None) -> None:
    """Difference: Spark does not read Parquet's nanoseconds at all; ours compares them as such."""
    stores.hold(ViewOf("v", numbers((1, hour(0), hour(0), 1.0))))
    instants = pa.array([1_362_096_000_000_000_001], pa.timestamp("ns", zone))
    for name in ("ours", "spark"):
        path = stores.folder / name / "v.parquet"
        pq.write_table(pa.table({"uid": [1], "event_timestamp": instants, "x": [1.0]}), path)
    rows = entities((1, hour(1)))
    assert column(stores.ours.get_historical_features(rows.copy(), ["v:x"]).to_arrow(), "x") == [1.0]
    with pytest.raises(Exception, match=r"(?i)nanos"):
        stores.spark.get_historical_features(rows.copy(), ["v:x"]).to_arrow()


def test_dates_alone_mean_the_end(stores: Pair) -> None:
    """Difference: with dates alone Spark gives one row a key as of the end; ours each row of the range as of itself."""
    stores.hold(ViewOf("v", numbers((1, hour(0), hour(0), 1.0), (1, hour(2), hour(2), 2.0))))
    span = {"features": ["v:x"], "start_date": hour(-1), "end_date": hour(3)}
    assert column(stores.ours.get_historical_features(**span).to_arrow(), "x") == [1.0, 2.0]
    assert column(stores.spark.get_historical_features(**span).to_arrow(), "x") == [2.0]


def online_store(folder: Path, conf: dict[str, str], url: str) -> FeatureStore:
    online = {"type": "likewise.stores.packed_redis.PackedRedisOnlineStore", "connection_string": url}
    return store_of(folder, {"type": OFFLINE, "spark_conf": conf}, online, batch_engine={"type": ENGINE})


def test_engine_fills_our_online_store(
    tmp_path: Path, spark_conf: dict[str, str], redis_url: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`materialize` on Spark's workers writes packed rows, newest first kept, whatever partition they come from.

    Differences: rows created after the clock's instant are taken, and rows of before the window that became known
    within it are not; Feast's engine knows neither clock nor late rows.
    """
    monkeypatch.setenv("LIKEWISE_CLOCK", hour(4).isoformat())
    store = online_store(tmp_path, spark_conf, redis_url)
    draw = np.random.default_rng(1)
    facts = [
        (uid, hour(at), hour(at + 1), float(100 * uid + at))
        for uid in range(20)
        for at in map(int, draw.permutation(8))
    ]
    late = (20, hour(-5), hour(2), 1.0)
    apply_views(store, tmp_path, [ViewOf("v", numbers(*facts, late), created=True)])
    store.materialize(hour(-1), hour(6))
    found = store.get_online_features(["v:x"], [{"uid": uid} for uid in range(21)]).to_dict()
    assert found["x"] == [*(100.0 * uid + 6 for uid in range(20)), None]
    assert raw.dbsize() >= 20
