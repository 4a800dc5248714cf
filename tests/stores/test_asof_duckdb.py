"""The offline store as Feast's users meet it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore, Field, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

from likewise.stores.asof_job import AsofRetrievalJob
from likewise.stores.errors import (
    ColumnCollisionError,
    EntityFrameError,
    SourceColumnError,
    SourceError,
)
from tests.stores.feast_repository import ViewOf, apply, apply_views, make_store
from tests.stores.histories import DAY, entities, history, hour, numbers, small_store, table


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return small_store(tmp_path)


def test_every_entity_row_comes_back_once_in_order(store: FeatureStore) -> None:
    """Unknown keys, rows before all history, stale rows and duplicates keep their row and place."""
    rows = entities((9, hour(1)), (1, hour(-1)), (1, hour(3)), (1, hour(3)), (2, hour(9)), (1, hour(0)))
    result = history(store, rows, "v:x")
    assert result["uid"].to_pylist() == [9, 1, 1, 1, 2, 1]
    assert result["x"].to_pylist() == [None, None, 21.0, 21.0, None, 10.0]


def test_ttl_includes_its_boundary(store: FeatureStore) -> None:
    """A value of TTL 3 h is there 3 h later and not a microsecond after, as in Feast."""
    later = hour(5) + timedelta(microseconds=1)
    assert history(store, entities((1, hour(5)), (1, later)), "v:x")["x"].to_pylist() == [21.0, None]


def test_created_filter_sees_what_was_known(store: FeatureStore) -> None:
    """With filter_by_created_timestamp a correction counts from when it was made, and an unknown row not at all."""
    rows = entities((1, hour(3)), (1, hour(5)), (2, hour(2)), (2, hour(4)))
    known = history(store, rows, "v:x", filter_by_created_timestamp=True)
    assert known["x"].to_pylist() == [20.0, 21.0, None, 30.0]


@pytest.mark.parametrize("form", ["pandas", "arrow", "parquet", "path", "folder", "sql"])
def test_entity_rows_in_every_form(store: FeatureStore, tmp_path: Path, form: str) -> None:
    """A frame, an Arrow table, a Parquet file, folder or SQL give the same history; other columns pass through."""
    frame = entities((2, hour(2)), (1, hour(3)), (1, hour(0))).assign(label=["a", "b", None])
    arrow = pa.Table.from_pandas(frame)
    (tmp_path / "rows").mkdir()
    pq.write_table(arrow.slice(0, 2), tmp_path / "rows" / "1.parquet")
    pq.write_table(arrow.slice(2), tmp_path / "rows" / "2.parquet")
    pq.write_table(arrow, tmp_path / "rows.parquet")
    given = {
        "pandas": frame,
        "arrow": arrow,
        "parquet": "rows.parquet",
        "path": tmp_path / "rows.parquet",
        "folder": "rows",
        "sql": "SELECT * FROM read_parquet('rows.parquet')",
    }[form]
    result = history(store, given, "v:x")
    assert result["label"].to_pylist() == ["a", "b", None]
    assert result["uid"].to_pylist() == [2, 1, 1]
    assert result["x"].to_pylist() == [30.0, 21.0, 10.0]
    assert result.schema.field("event_timestamp").type.tz == "UTC"


def test_result_streams_in_batches(tmp_path: Path) -> None:
    """`to_record_batches` gives the rows of `to_arrow`, in order, a bounded number at a time."""
    store = make_store(tmp_path, batch_rows=10)
    apply_views(store, tmp_path, [ViewOf("v", numbers((1, hour(0), hour(0), 1.0)))])
    job = store.get_historical_features(entity_df=entities(*[(i % 2, hour(i)) for i in range(35)]), features=["v:x"])
    assert isinstance(job, AsofRetrievalJob)
    batches = list(job.to_record_batches())
    assert [batch.num_rows for batch in batches] == [10, 10, 10, 5]
    assert pa.Table.from_batches(batches) == job.to_arrow()


def test_mapped_and_composite_keys_and_field_mapping(tmp_path: Path) -> None:
    """A view joined twice under other keys, a view of two keys, and columns renamed by the source."""
    store = make_store(tmp_path)
    city = table([("JFK", hour(0), 5.0), ("LAX", hour(0), 7.0)], "airport", "event_timestamp", "raw_wind")
    route = table([("JFK", "LAX", hour(0), 1.0), ("LAX", "JFK", hour(0), 2.0)], "a", "b", "event_timestamp", "x")
    wind, pair = apply_views(
        store,
        tmp_path,
        [
            ViewOf(
                "wind",
                city,
                {"city": ValueType.STRING},
                {"wind": Float64},
                field_mapping={"airport": "city", "raw_wind": "wind"},
            ),
            ViewOf("route", route, {"a": ValueType.STRING, "b": ValueType.STRING}),
        ],
    )
    both = FeatureService(
        name="both",
        features=[
            wind.with_name("wind_origin").with_join_key_map({"city": "origin"}),
            wind.with_name("wind_dest").with_join_key_map({"city": "dest"}),
            pair.with_join_key_map({"a": "origin", "b": "dest"}),
        ],
    )
    apply(store, [both])
    rows = pd.DataFrame({"origin": ["JFK", "LAX"], "dest": ["LAX", "SFO"], "event_timestamp": [hour(1)] * 2})
    result = store.get_historical_features(rows, both, full_feature_names=True).to_arrow()
    assert result["wind_origin__wind"].to_pylist() == [5.0, 7.0]
    assert result["wind_dest__wind"].to_pylist() == [7.0, None]
    assert result["route__x"].to_pylist() == [1.0, None]


def test_view_without_entities_joins_by_time_alone(tmp_path: Path) -> None:
    """A view without entities gives every row its latest value."""
    store = make_store(tmp_path)
    apply_views(store, tmp_path, [ViewOf("g", table([(hour(0), 1.0), (hour(2), 2.0)], "event_timestamp", "x"), {})])
    result = history(store, entities((1, hour(1)), (2, hour(3)), (3, hour(-1))), "g:x")
    assert result["x"].to_pylist() == [1.0, 2.0, None]


def with_on_demand(folder: Path, **settings: object) -> FeatureStore:
    store = make_store(folder, **settings)
    rows = numbers((1, hour(0), hour(0), 10.0), (2, hour(0), hour(0), 20.0))
    (view,) = apply_views(store, folder, [ViewOf("v", rows)])
    asked = RequestSource(name="asked", schema=[Field(name="factor", dtype=Int64)])

    @on_demand_feature_view(sources=[view, asked], schema=[Field(name="scaled", dtype=Float64)], mode="pandas")
    def scaled(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"scaled": frame["x"] * frame["factor"]})

    apply(store, [scaled])
    return store


@pytest.mark.parametrize("full_names", [False, True])
def test_on_demand_views_and_request_data(tmp_path: Path, *, full_names: bool) -> None:
    """On-demand features are computed from history and request data, as a table and as a stream."""
    store = with_on_demand(tmp_path, batch_rows=2)
    rows = entities((1, hour(1)), (9, hour(1)), (2, hour(1)), (9, hour(1)), (9, hour(1))).assign(factor=3)
    job = store.get_historical_features(rows, ["scaled:scaled"], full_feature_names=full_names)
    name = "scaled__scaled" if full_names else "scaled"
    assert list(job.to_df()[name].fillna(-1.0)) == [30.0, -1.0, 60.0, -1.0, -1.0]
    streamed = pa.Table.from_batches(list(job.to_record_batches()))
    assert streamed.column_names == job.to_arrow().column_names
    assert streamed[name].to_pandas().fillna(-1.0).tolist() == [30.0, -1.0, 60.0, -1.0, -1.0]


def test_on_demand_view_of_request_data_alone(tmp_path: Path) -> None:
    """A retrieval that reads no source at all still gives every row its computed features."""
    store = make_store(tmp_path)
    asked = RequestSource(name="asked", schema=[Field(name="factor", dtype=Int64)])

    @on_demand_feature_view(sources=[asked], schema=[Field(name="half", dtype=Float64)], mode="pandas")
    def halved(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"half": frame["factor"] / 2})

    apply(store, [halved])
    rows = entities((1, hour(1)), (2, hour(1))).assign(factor=[3, 4])
    assert history(store, rows, "halved:half")["half"].to_pylist() == [1.5, 2.0]


def test_retrieval_without_entity_rows(tmp_path: Path) -> None:
    """With dates alone, each (key, event time) of the views in the range is a row, joined as of itself."""
    store = make_store(tmp_path)
    left = numbers((1, hour(0), hour(0), 1.0), (1, hour(2), hour(2), 2.0), (2, hour(9), hour(9), 3.0))
    right = table([(1, hour(1), 7.0), (1, hour(-5), 6.0)], "uid", "event_timestamp", "y")
    apply_views(store, tmp_path, [ViewOf("l", left), ViewOf("r", right, features={"y": Float64})])
    job = store.get_historical_features(features=["l:x", "r:y"], start_date=hour(0), end_date=hour(3))
    result = job.to_arrow()
    assert result["event_timestamp"].to_pylist() == [hour(0), hour(1), hour(2)]
    assert result["uid"].to_pylist() == [1, 1, 1]
    assert result["x"].to_pylist() == [1.0, 1.0, 2.0]
    assert result["y"].to_pylist() == [6.0, 7.0, 7.0]
    assert job.metadata is not None
    assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (hour(0), hour(3))


def test_folders_and_partitions(tmp_path: Path) -> None:
    """A source may be a folder with `column=value` folders below it, whose columns are features like others."""
    rows = table(
        [(1, hour(0), 1.0, "a"), (1, hour(2), 2.0, "b"), (2, hour(0), 3.0, "b")], "uid", "event_timestamp", "x", "kind"
    )
    ds.write_dataset(rows, tmp_path / "parts", format="parquet", partitioning=["kind"], partitioning_flavor="hive")
    (tmp_path / "parts" / "_SUCCESS").touch()
    store = make_store(tmp_path)
    apply_views(store, tmp_path, [ViewOf("v", rows, features={"x": Float64, "kind": String}, path="parts")])
    result = history(store, entities((1, hour(1)), (1, hour(3)), (2, hour(3))), "v:x", "v:kind")
    assert result["x"].to_pylist() == [1.0, 2.0, 3.0]
    assert result["kind"].to_pylist() == ["a", "b", "b"]


@pytest.mark.parametrize("held", ["1GB", "40MB"])
def test_types_come_back_as_they_are(tmp_path: Path, held: str) -> None:
    """Texts, booleans, integers, dates, times, lists and nulls survive, in memory and by spilling joins."""
    rows = pa.table(
        {
            "uid": pa.array([1, 2], pa.int32()),
            "event_timestamp": pa.array([hour(0), hour(0)], pa.timestamp("ms", "UTC")),
            "text": pa.array(["ä", None]).dictionary_encode(),
            "flag": pa.array([True, None]),
            "count": pa.array([2**53 + 1, None], pa.int64()),
            "when": pa.array([hour(5), None], pa.timestamp("us", "UTC")),
            "words": pa.array([["a", "b"], None], pa.list_(pa.string())),
        }
    )
    store = make_store(tmp_path, memory_limit=held, threads=1)
    names = dict.fromkeys(("text", "flag", "count", "when", "words"), String)
    apply_views(store, tmp_path, [ViewOf("v", rows, features=names)])
    for wanted in (["v:text", "v:flag", "v:count", "v:when"], ["v:words", "v:text"]):
        result = history(store, entities((2, hour(1)), (1, hour(1)), (3, hour(1))), *wanted)
        for ref in wanted:
            name = ref.split(":")[1]
            assert result[name].to_pylist() == [None, rows[name][0].as_py(), None]


def test_integer_keys_that_pandas_made_floats_match(store: FeatureStore) -> None:
    """A null among integer keys turns them into floats in pandas; the others still match, fractions never."""
    rows = pd.DataFrame({"uid": [1.0, None, 1.5], "event_timestamp": [hour(3)] * 3})
    assert history(store, rows, "v:x")["x"].to_pylist() == [21.0, None, None]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (pd.DataFrame({"event_timestamp": [DAY]}), EntityFrameError, "columns \\['uid'\\] are missing"),
        (pd.DataFrame({"uid": [1]}), EntityFrameError, "expected a column 'event_timestamp'"),
        (pd.DataFrame({"uid": ["a"], "event_timestamp": [DAY]}), EntityFrameError, "join key 'uid' is"),
        (pd.DataFrame({"uid": [1], "event_timestamp": [pd.NaT]}), EntityFrameError, "rows have no event_timestamp"),
        (entities((1, DAY)).assign(x=1.0), ColumnCollisionError, "full_feature_names=True"),
        ("nowhere.parquet", EntityFrameError, "neither an existing Parquet path nor a SQL query"),
    ],
)
def test_unusable_entity_rows_are_refused(
    store: FeatureStore, rows: object, error: type[Exception], message: str
) -> None:
    """Entity rows that cannot be joined are an error that says what is wrong and what to do."""
    with pytest.raises(error, match=message):
        history(store, rows, "v:x")


def test_unusable_sources_are_refused(tmp_path: Path) -> None:
    """A source that is missing, or lacks a column, is an error with the right name suggested."""
    store = make_store(tmp_path)
    rows = numbers((1, hour(0), hour(0), 1.0)).rename_columns(["uid", "event_timestamp", "created", "xx"])
    apply_views(store, tmp_path, [ViewOf("v", rows)])
    with pytest.raises(SourceColumnError, match="Did you mean 'xx'"):
        history(store, entities((1, DAY)), "v:x")
    (tmp_path / "v.parquet").unlink()
    with pytest.raises(SourceError, match="no Parquet file"):
        history(store, entities((1, DAY)), "v:x")


def test_spill_folder_is_used_and_left_clean(tmp_path: Path) -> None:
    """A join beyond the memory limit spills below the named folder, finishes and leaves nothing there."""
    count = 200_000
    rows = pa.table(
        {
            "uid": pa.array(range(count)),
            "event_timestamp": pa.array([hour(0)] * count, pa.timestamp("us", "UTC")),
            **{f"x{i}": pa.array([float(i)] * count) for i in range(30)},
        }
    )
    store = make_store(tmp_path, memory_limit="120MB", threads=1, spill_directory="spill")
    features = {f"x{i}": Float64 for i in range(30)}
    apply_views(store, tmp_path, [ViewOf("v", rows, features=features)])
    asked = rows.select(["uid", "event_timestamp"])
    result = store.get_historical_features(asked, [f"v:x{i}" for i in range(30)])
    assert isinstance(result, AsofRetrievalJob)
    assert sum(batch.num_rows for batch in result.to_record_batches()) == count
    assert list((tmp_path / "spill").iterdir()) == []


def test_metadata_names_keys_and_range(store: FeatureStore) -> None:
    """A job says what it retrieves: references, keys, first and last instant."""
    job = store.get_historical_features(entities((1, hour(3)), (2, hour(1))), ["v:x"])
    assert job.metadata is not None
    assert (job.metadata.features, job.metadata.keys) == (["v:x"], ["uid"])
    assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (hour(1), hour(3))


def test_two_features_of_one_name_are_refused(tmp_path: Path) -> None:
    """Asking two views for features of one name needs full names, which then tell them apart."""
    store = make_store(tmp_path)
    rows = numbers((1, hour(0), hour(0), 1.0))
    apply_views(store, tmp_path, [ViewOf("one", rows), ViewOf("two", rows)])
    result = history(store, entities((1, hour(1))), "one:x", "two:x", full_feature_names=True)
    assert result.column_names[-2:] == ["one__x", "two__x"]
