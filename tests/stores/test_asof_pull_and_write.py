"""Pulling rows for materialization, and writing: appended rows, saved datasets, logs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage

from likewise.stores.errors import OfflineWriteError
from tests.stores.feast_repository import ViewOf, apply, apply_views, make_store
from tests.stores.histories import entities, history, hour, numbers, small_store


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return small_store(tmp_path)


def pulled(store: FeatureStore, *, latest: bool, **window: datetime | None) -> list[tuple[object, ...]]:
    view = store.get_feature_view("v")
    offline = store._get_provider().offline_store
    pull = offline.pull_latest_from_table_or_query if latest else offline.pull_all_from_table_or_query
    rows = pull(
        config=store.config,
        data_source=view.batch_source,
        join_key_columns=["uid"],
        feature_name_columns=["x"],
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
        start_date=window.get("start", hour(0)),
        end_date=window.get("end", hour(9)),
    ).to_arrow()
    return sorted((row["uid"], row["x"]) for row in rows.to_pylist())


def test_pull_takes_the_newest_or_all(store: FeatureStore) -> None:
    """`pull_latest` gives one row a key, ties by created time; `pull_all` every row; both ends are included."""
    assert pulled(store, latest=True) == [(1, 21.0), (2, 30.0)]
    assert pulled(store, latest=False) == [(1, 10.0), (1, 20.0), (1, 21.0), (2, 30.0)]
    assert pulled(store, latest=False, start=hour(1), end=hour(2)) == [(1, 20.0), (1, 21.0), (2, 30.0)]
    assert pulled(store, latest=True, start=hour(7)) == []


def test_pull_knows_only_what_the_clock_lets_it(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row created after the clock's instant does not exist yet: replay of the past sees the past."""
    monkeypatch.setenv("LIKEWISE_CLOCK", hour(3).isoformat())
    assert pulled(store, latest=True) == [(1, 20.0)]
    monkeypatch.setenv("LIKEWISE_CLOCK", hour(4).isoformat())
    assert pulled(store, latest=True) == [(1, 20.0), (2, 30.0)]


@pytest.mark.parametrize("folder", [False, True])
def test_offline_write_appends(tmp_path: Path, *, folder: bool) -> None:
    """Written rows are found by the next retrieval, in a file as in a folder; columns may come in any order."""
    store = make_store(tmp_path)
    rows = numbers((1, hour(0), hour(0), 1.0))
    path = "v" if folder else "v.parquet"
    if folder:
        (tmp_path / "v").mkdir()
    pq.write_table(rows, tmp_path / "v" / "0.parquet" if folder else tmp_path / "v.parquet")
    apply_views(store, tmp_path, [ViewOf("v", rows, created=True, path=path)])
    more = numbers((1, hour(2), hour(2), 2.0)).select(["x", "created", "uid", "event_timestamp"]).to_pandas()
    store.write_to_offline_store("v", more, reorder_columns=True)
    assert history(store, entities((1, hour(1)), (1, hour(3))), "v:x")["x"].to_pylist() == [1.0, 2.0]


def test_offline_write_refuses_other_columns(store: FeatureStore) -> None:
    """Rows with other columns than the source are refused before anything is written."""
    view = store.get_feature_view("v")
    with pytest.raises(OfflineWriteError, match="expected the columns"):
        store._get_provider().offline_write_batch(store.config, view, pa.table({"uid": [1]}), None)


@pytest.mark.parametrize("target", ["saved.parquet", "saved"])
def test_persist_and_saved_datasets(store: FeatureStore, tmp_path: Path, target: str) -> None:
    """A history is saved below the repository, read back equal, and not overwritten unless allowed."""
    rows = entities((1, hour(3)), (2, hour(2)))
    job = store.get_historical_features(rows, ["v:x"])
    storage = SavedDatasetFileStorage(target)
    with pytest.warns(RuntimeWarning, match="experimental"):
        saved = store.create_saved_dataset(job, f"d_{target}", storage)
    assert (tmp_path / target).exists()
    assert sorted(saved.to_df()["x"]) == [21.0, 30.0]
    with pytest.raises(OfflineWriteError, match="it exists"):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)


def test_logged_features_are_appended(store: FeatureStore, tmp_path: Path) -> None:
    """Logs of served features go to their folder, call after call."""
    service = FeatureService(
        name="s",
        features=[store.get_feature_view("v")],
        logging_config=LoggingConfig(destination=FileLoggingDestination(path="logs", partition_by=["day"])),
    )
    apply(store, [service])
    logs = pa.table({"x": [1.0], "day": ["monday"]})
    for _ in range(2):
        store.write_logged_features(logs, service)
    assert ds.dataset(tmp_path / "logs", partitioning="hive").to_table().num_rows == 2
