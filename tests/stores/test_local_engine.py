"""The batch engine: what reaches the online store, and what survives a run that went wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import BatchFeatureView, Entity, FeatureStore, Field, FileSource, ValueType
from feast.types import Float64

from likewise.stores.errors import SourceError
from tests.stores.feast_repository import OURS, ViewOf, apply, apply_views, store_of
from tests.stores.histories import hour, numbers, table

ENGINE = "likewise.stores.local_engine.LikewiseEngine"
PACKED = "likewise.stores.packed_redis.PackedRedisOnlineStore"
ROWS = numbers(
    (1, hour(0), hour(0), 10.0),
    (1, hour(2), hour(2), 20.0),
    (1, hour(2), hour(5), 21.0),
    (2, hour(1), hour(4), 30.0),
)
VIEW = ViewOf("v", ROWS, created=True)


def store_with(folder: Path, online: str, url: str, **engine: object) -> FeatureStore:
    """Return a store with our engine; `online` is `sqlite` or `packed`."""
    stores: dict[str, dict[str, object]] = {
        "sqlite": {"type": "sqlite", "path": str(folder / "online.db")},
        "packed": {"type": PACKED, "connection_string": url},
    }
    return store_of(folder, {"type": OURS}, stores[online], batch_engine={"type": ENGINE, **engine})


def online(store: FeatureStore, *uids: int, feature: str = "v:x") -> list[float | None]:
    rows = store.get_online_features([feature], [{"uid": uid} for uid in uids]).to_dict()
    values: list[float | None] = rows[feature.split(":")[1]]
    return values


@pytest.fixture(params=["sqlite", "packed"])
def store(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> FeatureStore:
    made = store_with(tmp_path, request.param, redis_url)
    apply_views(made, tmp_path, [VIEW])
    return made


def test_the_newest_row_of_each_key_lands(store: FeatureStore) -> None:
    """Of each key the latest event within the window is served, of equal ones the one created last."""
    store.materialize(hour(0), hour(9))
    assert online(store, 1, 2, 3) == [21.0, 30.0, None]


def test_what_became_known_late_is_taken_along(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was unknown when its window ran is written by the next run, though its event is before that window.

    Feast's engine asks for event times alone and would miss it for ever.
    """
    monkeypatch.setenv("LIKEWISE_CLOCK", hour(3).isoformat())
    store.materialize(hour(0), hour(3))
    assert online(store, 1, 2) == [20.0, None]
    monkeypatch.setenv("LIKEWISE_CLOCK", hour(6).isoformat())
    store.materialize_incremental(hour(6))
    assert online(store, 1, 2) == [21.0, 30.0]


def test_a_run_again_changes_nothing(tmp_path: Path, redis_url: str, raw: redis.Redis) -> None:
    """The same run twice, and an older run after a newer one, leave Redis as it is."""
    store = store_with(tmp_path, "packed", redis_url)
    apply_views(store, tmp_path, [VIEW])
    store.materialize(hour(0), hour(9))
    before = contents(raw)
    store.materialize(hour(0), hour(9))
    store.materialize(hour(0), hour(1))
    assert contents(raw) == before


def contents(client: redis.Redis) -> dict[bytes, bytes | None]:
    return {key: client.dump(key) for key in client.scan_iter()}


def test_a_failing_view_does_not_stop_the_others(tmp_path: Path, redis_url: str) -> None:
    """The error names the failed view's source; what went through is served and recorded as materialized."""
    store = store_with(tmp_path, "packed", redis_url)
    apply_views(store, tmp_path, [VIEW, ViewOf("gone", ROWS, created=True)])
    (tmp_path / "gone.parquet").unlink()
    with pytest.raises(SourceError, match=r"gone_source.*no Parquet file"):
        store.materialize(hour(0), hour(9))
    assert online(store, 1) == [21.0]
    assert store.get_feature_view("v").materialization_intervals == [(hour(0), hour(9))]
    assert store.get_feature_view("gone").materialization_intervals == []


def test_every_row_in_order_when_asked(tmp_path: Path, redis_url: str) -> None:
    """Without pull_latest all rows are written, oldest first, which ends the same."""
    store = store_with(tmp_path, "sqlite", redis_url, pull_latest=False)
    apply_views(store, tmp_path, [VIEW])
    store.materialize(hour(0), hour(9))
    assert online(store, 1, 2) == [21.0, 30.0]


def test_renamed_columns_and_no_entities(tmp_path: Path, redis_url: str) -> None:
    """Field mappings are applied on the way, and a view without entities has one row for all."""
    store = store_with(tmp_path, "packed", redis_url)
    mapped = ROWS.rename_columns(["user", "event_timestamp", "created", "raw"])
    everywhere = table([(hour(0), 1.0), (hour(1), 2.0)], "event_timestamp", "y")
    views = [
        ViewOf("v", mapped, created=True, field_mapping={"user": "uid", "raw": "x"}),
        ViewOf("g", everywhere, {}, {"y": Float64}),
    ]
    apply_views(store, tmp_path, views)
    store.materialize(hour(0), hour(9))
    assert online(store, 1, 2) == [21.0, 30.0]
    assert online(store, 7, feature="g:y") == [2.0]


@pytest.mark.filterwarnings("ignore:Batch feature views are experimental:RuntimeWarning")
def test_a_view_that_is_computed_goes_by_feasts_engine(tmp_path: Path, redis_url: str) -> None:
    """A batch view with a transformation is materialized by Feast's own engine, and served alike."""
    store = store_with(tmp_path, "packed", redis_url)
    pq.write_table(ROWS, tmp_path / "v.parquet")

    def doubled(frame):  # Feast runs this text alone: no names from here
        return frame.assign(x=frame["x"] * 2)

    uid = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
    source = FileSource(path="v.parquet", timestamp_field="event_timestamp", created_timestamp_column="created")
    view = BatchFeatureView(
        name="v", entities=[uid], mode="pandas", udf=doubled, source=source, ttl=timedelta(0),
        schema=[Field(name="x", dtype=Float64)], online=True,
    )  # fmt: skip
    apply(store, [uid, view])
    store.materialize(hour(0), hour(9))
    assert online(store, 1) == [42.0]


RUN = """
import sys
from datetime import datetime
from pathlib import Path
from tests.stores.test_local_engine import store_with
store = store_with(Path(sys.argv[1]), "packed", sys.argv[2])
print("ready", flush=True)
store.materialize(datetime.fromisoformat(sys.argv[3]), datetime.fromisoformat(sys.argv[4]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("keys", [1, 40_000])
def test_killed_and_run_again_ends_the_same(tmp_path: Path, redis_url: str, raw: redis.Redis, keys: int) -> None:
    """A run ended by kill -9 once so many keys are there, then repeated, leaves what an undisturbed run leaves."""
    count = 120_000
    many = pa.table(
        {
            "uid": pa.array(range(count)),
            "event_timestamp": pa.array([hour(1)] * count, pa.timestamp("us", "UTC")),
            "created": pa.array([hour(1)] * count, pa.timestamp("us", "UTC")),
            "x": pa.array([float(i) for i in range(count)]),
        }
    )
    store = store_with(tmp_path, "packed", redis_url)
    apply_views(store, tmp_path, [ViewOf("v", many, created=True)])
    killed_at = kill_while_writing(tmp_path, raw, keys, [redis_url, hour(0).isoformat(), hour(9).isoformat()])
    assert keys <= killed_at < count
    store.refresh_registry()
    store.materialize(hour(0), hour(9))
    again = contents(raw)
    raw.flushall()
    store.materialize(hour(0), hour(9))
    assert again == contents(raw)
    assert online(store, 0, count - 1) == [0.0, float(count - 1)]


def kill_while_writing(folder: Path, raw: redis.Redis, keys: int, rest: list[str]) -> int:
    """Start a run in a process, kill it once so many keys are there; return how many there were."""
    arguments = [sys.executable, "-c", RUN, str(folder), *rest]
    with subprocess.Popen(arguments, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while raw.dbsize() < keys and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
    return int(raw.dbsize())
