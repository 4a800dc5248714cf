"""Our offline store beside Feast's own DuckDB and default (dask) stores; docs/stores-offline.md lists what differs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore
from feast.types import Float64

from tests.stores.feast_repository import OURS, ViewOf, apply_views, make_store
from tests.stores.histories import entities, hour, numbers

# Their code warns of its own dependencies; what it returns is what is looked at.
pytestmark = pytest.mark.filterwarnings("ignore")
FEASTS = ["duckdb", "dask"]


def random_rows(seed: int, feature: str, *, ties: bool) -> pa.Table:
    """Return 400 rows of 12 keys on a 10-minute grid, created up to 3 hours later at instants of their own.

    With ties many have equal key and event time; without, each event is a second apart.
    """
    draw = np.random.default_rng(seed)
    apart = timedelta(seconds=0 if ties else 1)
    events = [hour(int(step) / 6) + i * apart for i, step in enumerate(draw.integers(0, 144, 400))]
    lags = [timedelta(minutes=int(10 * lag), microseconds=i) for i, lag in enumerate(draw.integers(0, 18, 400))]
    return pa.table(
        {
            "uid": draw.integers(0, 12, 400),
            "event_timestamp": pa.array(events, pa.timestamp("us", "UTC")),
            "created": pa.array([e + lag for e, lag in zip(events, lags, strict=True)], pa.timestamp("us", "UTC")),
            feature: draw.normal(size=400),
        }
    )


def random_entities(seed: int) -> pd.DataFrame:
    """Return 300 entity rows, duplicates and unknown keys among them, numbered in a column `row`."""
    draw = np.random.default_rng(seed)
    frame = entities(*[(int(uid), hour(int(step) / 6)) for uid, step in draw.integers([0, 0], [14, 150], (300, 2))])
    return frame.assign(row=range(300))


def world(folder: Path, offline: str, *, ties: bool = True) -> FeatureStore:
    """Return a store over two views, of 2 hours TTL and of none; paths absolute, as Feast's DuckDB store needs."""
    folder.mkdir()
    store = make_store(folder, offline)
    views = []
    for name, ttl in (("short", timedelta(hours=2)), ("ever", None)):
        rows = random_rows(len(name), f"{name}_x", ties=ties)
        path = folder / f"{name}.parquet"
        pa.parquet.write_table(rows, path)
        views.append(ViewOf(name, rows, features={f"{name}_x": Float64}, ttl=ttl, created=True, path=str(path)))
    apply_views(store, folder, views)
    return store


def answers(store: FeatureStore, rows: pd.DataFrame, **options: object) -> pd.DataFrame:
    job = store.get_historical_features(rows, ["short:short_x", "ever:ever_x"], **options)
    return job.to_df()


@pytest.mark.parametrize("known_only", [False, True])
@pytest.mark.parametrize("theirs", FEASTS)
def test_values_equal_feasts(tmp_path: Path, theirs: str, *, known_only: bool) -> None:
    """Every entity row that Feast's store returns has the values of ours, with TTL, created times and ties.

    Ties are left out for the default store: see below.
    """
    rows, ties = random_entities(5), theirs == "duckdb"
    options = {"filter_by_created_timestamp": known_only}
    ours = answers(world(tmp_path / "ours", OURS, ties=ties), rows, **options).set_index("row")
    others = answers(world(tmp_path / "theirs", theirs, ties=ties), rows.copy(), **options).set_index("row")
    columns = ["uid", "short_x", "ever_x"]
    pd.testing.assert_frame_equal(ours.loc[others.index, columns], others[columns], check_dtype=False)


def test_feasts_default_store_loses_rows_and_ours_none(tmp_path: Path) -> None:
    """Difference: rows whose only values are older than the TTL vanish from the default store's result."""
    rows = random_entities(5)
    assert answers(world(tmp_path / "ours", OURS), rows)["row"].tolist() == list(range(300))
    assert len(answers(world(tmp_path / "theirs", "dask"), rows.copy())) < 300


def test_feasts_default_store_does_not_hold_to_created_times(tmp_path: Path) -> None:
    """Difference: of equal event times the default store does not always take the row created last.

    It sorts by created and then by event time with a sort that is not stable. Ours and Feast's DuckDB store agree.
    """
    rows = random_entities(5)
    ours = answers(world(tmp_path / "ours", OURS), rows).set_index("row")
    others = answers(world(tmp_path / "theirs", "dask"), rows.copy()).set_index("row")
    both = ours.loc[others.index]
    differ = (both["ever_x"] != others["ever_x"]) & ~(both["ever_x"].isna() & others["ever_x"].isna())
    assert 0 < differ.mean() < 0.2


def test_feasts_duckdb_store_cannot_do_without_entity_rows(tmp_path: Path) -> None:
    """Difference: retrieval by dates alone is an error in Feast's DuckDB store."""
    span = {"start_date": hour(0), "end_date": hour(3)}
    with pytest.raises(TypeError, match=r"start_date|end_date"):
        world(tmp_path / "theirs", "duckdb").get_historical_features(features=["ever:ever_x"], **span)
    ours = world(tmp_path / "ours", OURS).get_historical_features(features=["ever:ever_x"], **span)
    assert ours.to_arrow().num_rows > 0


@pytest.mark.parametrize("theirs", FEASTS)
@pytest.mark.parametrize("window", [(0, 30), (3, 9)])
def test_latest_rows_equal_feasts(tmp_path: Path, theirs: str, window: tuple[int, int]) -> None:
    """`pull_latest` picks the row that Feast's store picks; the clock being wall time, nothing is left out."""

    def latest(store: FeatureStore) -> list[tuple[int, float, datetime]]:
        rows = store._get_provider().offline_store.pull_latest_from_table_or_query(
            config=store.config,
            data_source=store.get_feature_view("ever").batch_source,
            join_key_columns=["uid"],
            feature_name_columns=["ever_x"],
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
            start_date=hour(window[0]),
            end_date=hour(window[1]),
        )
        frame = rows.to_df().sort_values("uid")
        return list(zip(frame["uid"], frame["ever_x"], frame["event_timestamp"], strict=True))

    ties = theirs == "duckdb"
    ours, others = world(tmp_path / "ours", OURS, ties=ties), world(tmp_path / "theirs", theirs, ties=ties)
    assert latest(ours) == latest(others)


def test_relative_paths_start_at_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Difference: Feast's DuckDB store reads relative paths from where the process stands, ours from the repository."""
    repository, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    repository.mkdir()
    elsewhere.mkdir()
    rows, asked = numbers((1, hour(0), hour(0), 1.0)), entities((1, hour(1)))
    monkeypatch.chdir(elsewhere)
    for offline in (OURS, "duckdb"):
        store = make_store(repository, offline)
        apply_views(store, repository, [ViewOf("v", rows)])
        job = store.get_historical_features
        if offline == OURS:
            assert job(asked.copy(), ["v:x"]).to_df()["x"].tolist() == [1.0]
        else:
            with pytest.raises(Exception, match="No files found"):
                job(asked.copy(), ["v:x"]).to_df()


@pytest.mark.parametrize("theirs", FEASTS)
def test_missing_keys_and_folders(tmp_path: Path, theirs: str) -> None:
    """Differences: the default store lets missing keys match each other; neither appends to a folder of files."""
    rows = numbers((1, hour(0), hour(0), 1.0)).to_pandas().astype({"uid": "Int64"})
    both = pa.Table.from_pandas(pd.concat([rows, rows.assign(uid=pd.NA, x=2.0)]), preserve_index=False)
    asked = pd.DataFrame({"uid": [1.0, None], "event_timestamp": [hour(1)] * 2})
    found = {}
    for offline in (OURS, theirs):
        folder = tmp_path / offline.rsplit(".", 1)[-1]
        (folder / "files").mkdir(parents=True)
        pa.parquet.write_table(both, folder / "files" / "0.parquet")
        store = make_store(folder, offline)
        apply_views(store, folder, [ViewOf("v", both, path=str(folder / "files"))])
        if offline == OURS:
            found[offline] = store.get_historical_features(asked.copy(), ["v:x"]).to_df()["x"].tolist()
            store._get_provider().offline_write_batch(store.config, store.get_feature_view("v"), both, None)
            assert len(list((folder / "files").iterdir())) == 2
        else:
            with pytest.raises(Exception, match=r"[Ii]s a directory"):
                store._get_provider().offline_write_batch(store.config, store.get_feature_view("v"), both, None)
            if theirs == "dask":
                found[offline] = store.get_historical_features(asked.copy(), ["v:x"]).to_df()["x"].tolist()
    assert found[OURS][0] == 1.0
    assert np.isnan(found[OURS][1])
    if theirs == "dask":
        assert found["dask"] == [1.0, 2.0]
