"""Edges of the offline store: instants as text and dates, mapped times, patterns, far instants, computed views."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore, Field, RepoConfig, RequestSource
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float64, Int64, String

from likewise.stores.errors import EntityFrameError, SourceTimeError
from tests.stores.feast_repository import OURS, ViewOf, apply, apply_views, make_store
from tests.stores.histories import entities, history, hour, numbers, small_store, table


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return small_store(tmp_path)


@pytest.mark.parametrize(
    "instants",
    [
        ["2013-03-01T03:00:00Z", "2013-03-01T00:30:00"],
        ["2013-02-28 22:00:00-05:00", "2013-03-01 00:30:00.000000"],
        [datetime(2013, 3, 1, 3), datetime(2013, 3, 1, 0, 30)],  # noqa: DTZ001 - naive is what is tried
        [datetime(2013, 3, 1, 3, tzinfo=UTC), datetime(2013, 3, 1, 0, 30, tzinfo=UTC)],
    ],
)
def test_instants_of_entity_rows_as_text_naive_and_zoned(store: FeatureStore, instants: list[object]) -> None:
    """ISO texts with a zone or without, naive and zoned times mean the same instants; naive is UTC."""
    rows = pa.table({"uid": [1, 1], "event_timestamp": instants})
    result = history(store, rows, "v:x")
    assert result["x"].to_pylist() == [21.0, 10.0]
    assert result["event_timestamp"].to_pylist() == [hour(3), hour(0.5)]


def test_days_are_midnight_in_utc(tmp_path: Path) -> None:
    """Dates as event times, of sources and of entity rows, are the first instant of their day."""
    store = make_store(tmp_path)
    facts = table([(1, date(2013, 3, 1), 1.0), (1, date(2013, 3, 2), 2.0)], "uid", "event_timestamp", "x")
    apply_views(store, tmp_path, [ViewOf("v", facts)])
    assert history(store, entities((1, hour(0)), (1, hour(23)), (1, hour(24))), "v:x")["x"].to_pylist() == [
        1.0,
        1.0,
        2.0,
    ]
    days = pa.table({"uid": [1, 1], "event_timestamp": [date(2013, 2, 28), date(2013, 3, 2)]})
    assert history(store, days, "v:x")["x"].to_pylist() == [None, 2.0]


def test_instants_of_sources_as_text(tmp_path: Path) -> None:
    """A source may hold its times as ISO text; text that is no time is an error that names the column."""
    store = make_store(tmp_path)
    facts = table(
        [(1, "2013-03-01T00:00:00Z", 1.0), (1, "2013-03-01T03:00:00+01:00", 2.0)], "uid", "event_timestamp", "x"
    )
    apply_views(
        store,
        tmp_path,
        [
            ViewOf("v", facts),
            ViewOf("w", facts.drop_columns("event_timestamp").append_column("event_timestamp", pa.array([1, 2]))),
        ],
    )
    assert history(store, entities((1, hour(1)), (1, hour(2))), "v:x")["x"].to_pylist() == [1.0, 2.0]
    with pytest.raises(SourceTimeError, match=r"'w_source'.*'event_timestamp' must hold timestamps"):
        history(store, entities((1, hour(1))), "w:x")


def test_entity_rows_of_no_one_type_or_name_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    """A pandas column of mixed types, a column given twice and files that differ are errors that say so."""
    when = pd.Timestamp("2013-03-01", tz="UTC")
    mixed = pd.DataFrame({"uid": [1, "a"], "event_timestamp": when})
    with pytest.raises(EntityFrameError, match="Conversion failed for column uid"):
        history(store, mixed, "v:x")
    twice = pd.DataFrame([[1, 1, when]], columns=["uid", "uid", "event_timestamp"])
    with pytest.raises(EntityFrameError, match="Duplicate column names found"):
        history(store, twice, "v:x")
    doubled = pa.table([[1], [1], [when]], names=["uid", "uid", "event_timestamp"])
    with pytest.raises(EntityFrameError, match=r"columns \['uid'\] are there more than once"):
        history(store, doubled, "v:x")
    rows = pa.table({"uid": [1], "event_timestamp": [when]})
    for name, other in (("a", rows), ("b", rows.rename_columns(["id", "event_timestamp"]))):
        (tmp_path / "rows").mkdir(exist_ok=True)
        pq.write_table(other, tmp_path / "rows" / f"{name}.parquet")
    with pytest.raises(EntityFrameError, match=r"b\.parquet' does not match the first file"):
        history(store, tmp_path / "rows", "v:x")


def test_unreadable_instants_are_named(store: FeatureStore) -> None:
    """An entity row whose instant is no time is an error with the value."""
    with pytest.raises((SourceTimeError, EntityFrameError), match="noon"):
        history(store, pa.table({"uid": [1], "event_timestamp": ["noon"]}), "v:x")


def test_mapped_event_and_created_times(tmp_path: Path) -> None:
    """Time columns may be renamed by the source as features are; the created filter follows."""
    store = make_store(tmp_path)
    facts = numbers((1, hour(0), hour(0), 1.0), (1, hour(1), hour(5), 2.0)).rename_columns(["uid", "at", "made", "x"])
    mapping = {"at": "event_timestamp", "made": "created"}
    apply_views(store, tmp_path, [ViewOf("v", facts, created=True, field_mapping=mapping)])
    rows = entities((1, hour(2)), (1, hour(6)))
    assert history(store, rows, "v:x")["x"].to_pylist() == [2.0, 2.0]
    assert history(store, rows, "v:x", filter_by_created_timestamp=True)["x"].to_pylist() == [1.0, 2.0]


def test_patterns_name_files(tmp_path: Path) -> None:
    """A source may be a pattern; files that it leaves out are not read."""
    store = make_store(tmp_path)
    (tmp_path / "days").mkdir()
    for name, value in (("part-1", 1.0), ("part-2", 2.0), ("other", 9.0)):
        pq.write_table(numbers((1, hour(value), hour(0), value)), tmp_path / "days" / f"{name}.parquet")
    apply_views(store, tmp_path, [ViewOf("v", numbers((1, hour(0), hour(0), 1.0)), path="days/part-*.parquet")])
    assert history(store, entities((1, hour(1)), (1, hour(20))), "v:x")["x"].to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize("feature", ["x", "words"])
@pytest.mark.parametrize("ttl", [None, timedelta(days=30)])
def test_instants_of_other_centuries(tmp_path: Path, feature: str, ttl: timedelta | None) -> None:
    """Nanosecond facts next to instants that nanoseconds cannot hold: neither an error nor a wrong match.

    Lists are not held in memory, so that they are matched and gathered by DuckDB.
    """
    store = make_store(tmp_path)
    event = pa.array([1_362_096_000_000_000_001], pa.timestamp("ns"))
    facts = pa.table({"uid": [1], "event_timestamp": event, "x": ["a"], "words": [["a"]]})
    apply_views(store, tmp_path, [ViewOf("v", facts, ttl=ttl, features={"x": String, "words": Array(String)})])
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1600, 1700, 2250, 9999)]
    rows = pa.table({"uid": [1] * 6, "event_timestamp": pa.array([hour(1), *years], pa.timestamp("us", "UTC"))})
    value = facts[feature][0].as_py()
    late = None if ttl else value
    assert history(store, rows, f"v:{feature}")[feature].to_pylist() == [value, None, None, None, late, late]


def test_far_instants_less_a_ttl(tmp_path: Path) -> None:
    """Beside nanoseconds, instants of before 1677 count as that year; subtracting a TTL from one is no error."""
    store = make_store(tmp_path)
    event = pa.array([datetime(1600, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    created = pa.array([1_362_096_000_000_000_001], pa.timestamp("ns"))
    facts = pa.table({"uid": [1], "event_timestamp": event, "created": created, "words": [["a"]]})
    features = {"words": Array(String)}
    apply_views(store, tmp_path, [ViewOf("v", facts, ttl=timedelta(days=30), features=features, created=True)])
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in (1500, 1600, 1650)]
    rows = pa.table({"uid": [1] * 3, "event_timestamp": pa.array(years, pa.timestamp("us", "UTC"))})
    assert history(store, rows.slice(1), "v:words")["words"].to_pylist()[0] == ["a"]
    assert history(store, rows, "v:words").num_rows == 3


def with_computed(folder: Path) -> FeatureStore:
    store = make_store(folder, batch_rows=2)
    (view,) = apply_views(
        store, folder, [ViewOf("v", numbers((1, hour(0), hour(0), 10.0), (2, hour(0), hour(0), 20.0)))]
    )
    asked = RequestSource(name="asked", schema=[Field(name="factor", dtype=Int64)])

    @on_demand_feature_view(sources=[view, asked], schema=[Field(name="scaled", dtype=Float64)], mode="python")
    def scaled(inputs: dict[str, list]) -> dict[str, list]:
        pairs = zip(inputs["x"], inputs["factor"], strict=True)
        return {"scaled": [None if x is None else x * factor for x, factor in pairs]}

    apply(store, [scaled])
    return store


@pytest.mark.parametrize("target", ["saved.parquet", "saved"])
def test_computed_features_are_saved(tmp_path: Path, target: str) -> None:
    """A saved history has on-demand features and request data, in order, whichever way it is written."""
    store = with_computed(tmp_path)
    rows = entities((2, hour(1)), (9, hour(1)), (1, hour(1)), (1, hour(1)), (9, hour(1))).assign(factor=3)
    store.get_historical_features(rows, ["scaled:scaled", "v:x"]).persist(SavedDatasetFileStorage(target))
    saved = pq.read_table(tmp_path / target)
    assert saved["scaled"].to_pandas().fillna(-1).tolist() == [60.0, -1.0, 30.0, 30.0, -1.0]
    assert saved["factor"].to_pylist() == [3] * 5


def test_logs_from_files(store: FeatureStore, tmp_path: Path) -> None:
    """Logged features may come as a folder of Parquet files, as Feast's server leaves them; the folder stays."""
    destination = FileLoggingDestination(path="logs")
    service = FeatureService(
        name="s", features=[store.get_feature_view("v")], logging_config=LoggingConfig(destination=destination)
    )
    apply(store, [service])
    (tmp_path / "served").mkdir()
    for number in range(2):
        pq.write_table(pa.table({"x": [float(number)]}), tmp_path / "served" / f"{number}.parquet")
    store.write_logged_features(tmp_path / "served", service)
    assert sorted(ds.dataset(tmp_path / "logs").to_table()["x"].to_pylist()) == [0.0, 1.0]


def test_columns_keep_their_places(tmp_path: Path) -> None:
    """Columns of the entity rows come first, in their order, then the features."""
    store = make_store(tmp_path)
    apply_views(store, tmp_path, [ViewOf("v", numbers((1, hour(0), hour(0), 1.0)))])
    rows = pd.DataFrame({"label": [0], "event_timestamp": [hour(1)], "uid": [1]})
    assert history(store, rows, "v:x").column_names == ["label", "event_timestamp", "uid", "x"]


def test_versions_of_a_view(tmp_path: Path) -> None:
    """`view@v0:feature` reads what that version declared, beside the present one."""
    config = RepoConfig(
        project="tested",
        provider="local",
        registry={"path": str(tmp_path / "registry.db"), "enable_online_feature_view_versioning": True},
        offline_store={"type": OURS},
        online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
        entity_key_serialization_version=3,
        repo_path=tmp_path,
    )
    store = FeatureStore(config=config)
    facts = table([(1, hour(0), 1.0, 2.0)], "uid", "event_timestamp", "x", "y")
    apply_views(store, tmp_path, [ViewOf("v", facts)])
    apply_views(store, tmp_path, [ViewOf("v", facts, features={"y": Float64})])
    result = history(store, entities((1, hour(1))), "v@v0:x", "v@v1:y")
    assert (result["x"].to_pylist(), result["y"].to_pylist()) == ([1.0], [2.0])
