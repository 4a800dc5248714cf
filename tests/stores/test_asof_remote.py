"""Sources, entity rows, appends, saved datasets and logs in an object store, over the wire of S3 on loopback."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.types import Float64, String

from likewise.stores.errors import EntityFrameError, OfflineWriteError, SourceError
from tests.object_store import ObjectStore, serve_objects
from tests.stores.feast_repository import apply, make_store
from tests.stores.histories import entities, history, hour, numbers

ROWS = numbers((1, hour(0), hour(0), 10.0), (1, hour(2), hour(5), 21.0), (2, hour(1), hour(4), 30.0))
ASKED = entities((1, hour(3)), (2, hour(3)), (1, hour(1)), (9, hour(1)))


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """Serve a bucket with the rows as a file, a folder of files, and folders by day."""
    for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "DEFAULT_REGION": "r"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with serve_objects() as store:
        store.objects["lake/v.parquet"] = parquet(ROWS)
        for number in (0, 1):
            store.objects[f"lake/folder/{number}.parquet"] = parquet(ROWS.slice(2 * number, 2))
            store.objects[f"lake/days/kind={'ab'[number]}/0.parquet"] = parquet(ROWS.slice(2 * number, 2))
        yield store


def parquet(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


def view(name: str, path: str, lake: ObjectStore, *more: Field) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)],
        schema=[Field(name="x", dtype=Float64), *more],
        source=FileSource(
            name=f"{name}_source",
            path=path,
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
            s3_endpoint_override=lake.url,
        ),
    )


@pytest.fixture
def store(tmp_path: Path, lake: ObjectStore) -> FeatureStore:
    made = make_store(tmp_path)
    uid = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
    views = [
        view("v", "s3://lake/v.parquet", lake),
        view("folder", "s3://lake/folder/", lake),
        view("days", "s3://lake/days", lake, Field(name="kind", dtype=String)),
        view("absent", "s3://lake/absent.parquet", lake),
    ]
    apply(made, [uid, *views])
    return made


@pytest.mark.parametrize("name", ["v", "folder", "days"])
def test_sources_in_an_object_store(store: FeatureStore, name: str) -> None:
    """A file, a folder and `column=value` folders behind a URL join as local ones do."""
    assert history(store, ASKED, f"{name}:x")["x"].to_pylist() == [21.0, 30.0, 10.0, None]
    known = history(store, ASKED, f"{name}:x", filter_by_created_timestamp=True)
    assert known["x"].to_pylist() == [10.0, None, 10.0, None]


def test_partition_columns_in_an_object_store(store: FeatureStore) -> None:
    """A column that only the folders' names hold is a feature like others."""
    assert history(store, ASKED, "days:kind", "v:x")["kind"].to_pylist() == ["a", "b", "a", None]


def test_entity_rows_in_an_object_store(store: FeatureStore, lake: ObjectStore) -> None:
    """Entity rows may be a URL, file or folder; their order is that of the files."""
    rows = pa.Table.from_pandas(ASKED)
    lake.objects["lake/rows/0.parquet"], lake.objects["lake/rows/1.parquet"] = (
        parquet(rows.slice(0, 3)),
        parquet(rows.slice(3)),
    )
    url = f"s3://lake/rows?endpoint_override={lake.url.removeprefix('http://')}&scheme=http&region=r"
    result = history(store, url, "v:x")
    assert result["uid"].to_pylist() == [1, 2, 1, 9]
    assert result["x"].to_pylist() == [21.0, 30.0, 10.0, None]
    with pytest.raises(EntityFrameError, match="cannot be read"):
        history(store, url.replace("rows", "nothing"), "v:x")


@pytest.mark.parametrize("name", ["v", "folder"])
def test_appending_to_an_object_store(store: FeatureStore, lake: ObjectStore, name: str) -> None:
    """Appended rows are found by the next retrieval; a folder gets a new object, a file is replaced whole."""
    before = set(lake.objects)
    more = numbers((9, hour(0), hour(0), 99.0))
    store._get_provider().offline_write_batch(store.config, store.get_feature_view(name), more, None)
    assert history(store, ASKED, f"{name}:x")["x"].to_pylist() == [21.0, 30.0, 10.0, 99.0]
    added = [key for key in set(lake.objects) - before if lake.objects[key]]
    assert len(added) == (1 if name == "folder" else 0)


@pytest.mark.parametrize("path", ["s3://lake/saved.parquet", "s3://lake/saved"])
def test_saved_datasets_in_an_object_store(store: FeatureStore, lake: ObjectStore, path: str) -> None:
    """A history streams into an object or a folder of them, and does not overwrite unless allowed."""
    job = store.get_historical_features(ASKED, ["v:x"])
    storage = SavedDatasetFileStorage(path, s3_endpoint_override=lake.url)
    job.persist(storage)
    saved = [name for name in lake.objects if name.startswith("lake/saved") and lake.objects[name]]
    assert pq.read_table(io.BytesIO(lake.objects[saved[0]]))["x"].to_pylist() == [21.0, 30.0, 10.0, None]
    with pytest.raises(OfflineWriteError, match="it exists"):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)


def test_logs_in_an_object_store(store: FeatureStore, lake: ObjectStore) -> None:
    """Logged features land below their destination's URL, call after call."""
    destination = FileLoggingDestination(path="s3://lake/logs", s3_endpoint_override=lake.url, partition_by=["day"])
    service = FeatureService(
        name="s", features=[store.get_feature_view("v")], logging_config=LoggingConfig(destination=destination)
    )
    apply(store, [service])
    for _ in range(2):
        store.write_logged_features(pa.table({"x": [1.0], "day": ["monday"]}), service)
    assert sum(name.startswith("lake/logs/day=monday/") and name.endswith("parquet") for name in lake.objects) == 2


def test_an_absent_object_is_an_error_that_names_it(store: FeatureStore) -> None:
    """A URL with nothing behind it says which source, which address, and what to check."""
    with pytest.raises(SourceError, match=r"absent_source.*lake/absent\.parquet.*credentials"):
        history(store, ASKED, "absent:x")


def test_only_needed_columns_are_fetched(store: FeatureStore, lake: ObjectStore) -> None:
    """A wide object is read by ranges: columns that nobody asked for stay where they are."""
    wide = ROWS
    for number in range(5):
        wide = wide.append_column(f"blob{number}", pa.array([bytes(200_000)] * 3))
    written = io.BytesIO()
    pq.write_table(wide, written, compression="none", use_dictionary=False)
    lake.objects["lake/v.parquet"] = written.getvalue()
    lake.sent = 0
    assert history(store, ASKED, "v:x")["x"].to_pylist() == [21.0, 30.0, 10.0, None]
    assert lake.sent < len(written.getvalue()) / 4


def test_file_urls_are_local_files(tmp_path: Path) -> None:
    """`file://` and an absolute path mean the same file."""
    pq.write_table(ROWS, tmp_path / "v.parquet")
    store = make_store(tmp_path)
    uid = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
    source = FileSource(path=f"file://{tmp_path}/v.parquet", timestamp_field="event_timestamp")
    apply(store, [uid, FeatureView(name="v", entities=[uid], schema=[Field(name="x", dtype=Float64)], source=source)])
    assert history(store, ASKED, "v:x")["x"].to_pylist() == [21.0, 30.0, 10.0, None]
