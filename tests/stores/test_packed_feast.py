"""The packed store behind Feast itself: its own objects, API and command line."""

import asyncio
import json
import os
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import FeatureService, FeatureStore, FeatureView, Field, PushSource, RepoConfig, RequestSource
from feast.data_source import PushMode
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from likewise.stores.embedded import attach, stop
from likewise.stores.redis_url import parse_url
from tests.stores.packed_world import NOON, View, config_of, feast_store, row, store_at

pytestmark = pytest.mark.slow
STATS = View("stats", {"x": Float64, "k": Int64})
OTHER = View("other", {"x": Float64})


@pytest.fixture
def store(redis_url: str, tmp_path: Path) -> FeatureStore:
    """Return a Feast store with two views and three rows."""
    store = feast_store(config_of(redis_url), tmp_path, [STATS, OTHER])
    online = store._get_provider().online_store
    online.clock = store_at().clock
    online.online_write_batch(store.config, STATS.feast(), [row(1, 1.0), row(2, 2.0)], None)
    online.online_write_batch(store.config, OTHER.feast(), [row(1, 10.0)], None)
    return store


def test_names_orders_and_repeats(store: FeatureStore) -> None:
    """A response has the join keys first, full names on request, and rows in the order asked."""
    service = FeatureService(name="both", features=[STATS.feast(), OTHER.feast()])
    store.apply([service])
    response = store.get_online_features(
        service, entity_rows=[{"uid": uid} for uid in (2, 1, 2)], full_feature_names=True
    )
    found = response.to_dict()
    assert next(iter(found)) == "uid"
    assert found == {
        "uid": [2, 1, 2],
        "stats__x": [2.0, 1.0, 2.0],
        "stats__k": [None] * 3,
        "other__x": [None, 10.0, None],
    }
    assert response.to_df()["stats__x"].tolist() == [2.0, 1.0, 2.0]
    assert response.to_dict(include_event_timestamps=True)["other__x__ts"] == [0, int(NOON.timestamp()), 0]
    names = list(response.proto.metadata.feature_names.val)
    from_proto = {
        name: [value.double_val if value.WhichOneof("val") == "double_val" else None for value in vector.values]
        for name, vector in zip(names, response.proto.results, strict=True)
    }
    assert from_proto["other__x"] == [None, 10.0, None]
    times = [vector.event_timestamps[0].seconds for vector in response.proto.results]
    assert times == [0 if name in ("uid", "other__x") else int(NOON.timestamp()) for name in names]


def test_asyncio_and_versions(store: FeatureStore) -> None:
    """The asyncio form answers the same, with view metadata when asked."""

    async def ask() -> tuple[dict[str, object], list[str]]:
        response = await store.get_online_features_async(["stats:x"], entity_rows=[{"uid": 1}])
        await store._get_provider().online_store.close()
        return response.to_dict(), list(response.proto.metadata.feature_names.val)

    assert asyncio.run(ask()) == ({"uid": [1], "x": [1.0]}, ["uid", "x"])
    response = store.get_online_features(
        ["stats:x"], entity_rows=[{"uid": 1}], include_feature_view_version_metadata=True
    )
    assert [view.name for view in response.proto.metadata.feature_view_metadata] == ["stats"]


def test_one_view_under_two_join_keys(store: FeatureStore) -> None:
    """A view read twice under renamed join keys answers each from its own key, the plain name beside them included."""
    sender = STATS.feast().with_name("sender").with_join_key_map({"uid": "sender_id"})
    receiver = STATS.feast().with_name("receiver").with_join_key_map({"uid": "receiver_id"})
    service = FeatureService(name="pairs", features=[sender[["x"]], receiver[["x"]], OTHER.feast()])
    store.apply([service])
    found = store.get_online_features(
        service, entity_rows=[{"sender_id": 2, "receiver_id": 1, "uid": 1}], full_feature_names=True
    ).to_dict()
    assert (found["sender__x"], found["receiver__x"], found["other__x"]) == ([2.0], [1.0], [10.0])


def test_on_demand_views_see_the_values(store: FeatureStore) -> None:
    """On-demand views compute from what was read and from request data; absent rows reach them as missing."""
    request = RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64)])

    def scaled(inputs: pd.DataFrame) -> pd.DataFrame:
        frame = pd.DataFrame()
        frame["scaled"] = inputs["x"] * inputs["factor"]
        return frame

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "On demand feature view is an experimental", RuntimeWarning)
        view = on_demand_feature_view(
            sources=[STATS.feast(), request], schema=[Field(name="scaled", dtype=Float64)], mode="pandas"
        )(scaled)
        store.apply([view])
    rows = [{"uid": 1, "factor": 3.0}, {"uid": 9, "factor": 3.0}]
    found = store.get_online_features(["scaled:scaled", "stats:x"], entity_rows=rows).to_dict()
    assert found == {"uid": [1, 9], "x": [1.0, None], "scaled": [3.0, None]}


def test_views_without_entities(redis_url: str, tmp_path: Path) -> None:
    """A view without entities has one row, which every request gets."""
    pq.write_table(
        pa.table(
            {
                "x": [4.0],
                "event_timestamp": pa.array([NOON], pa.timestamp("us", tz="UTC")),
                "created": pa.array([NOON], pa.timestamp("us", tz="UTC")),
            }
        ),
        tmp_path / "global.parquet",
    )
    view = View("global_stats", keys={}, path=str(tmp_path / "global.parquet"))
    store = feast_store(config_of(redis_url), tmp_path, [view, STATS])
    store.materialize(NOON - timedelta(1), NOON + timedelta(1), feature_views=["global_stats"])
    found = store.get_online_features(["global_stats:x", "stats:k"], entity_rows=[{"uid": 1}, {"uid": 2}]).to_dict()
    assert found == {"uid": [1, 2], "x": [4.0, 4.0], "k": [None, None]}


@pytest.mark.parametrize("mirrored", [False, True])
def test_pushes_to_views_without_entities(redis_url: str, tmp_path: Path, mirrored: bool) -> None:
    """What is pushed or written to a view without entities is read; Feast's own store writes it where nobody looks.

    Mirrored, it is where stock readers look.
    """
    view = View("global_stats", keys={}, path=str(tmp_path / "global.parquet")).feast()
    pushed = FeatureView(
        name="global_stats",
        entities=[],
        schema=view.schema,
        source=PushSource(name="stream", batch_source=view.batch_source),
    )
    config = config_of(redis_url, mirror_feast_layout=mirrored)
    store = feast_store(config, tmp_path, [])
    store.apply([pushed])
    for x, event in [(1.0, NOON), (2.0, NOON + timedelta(hours=1)), (3.0, NOON - timedelta(hours=1))]:
        frame = pd.DataFrame({"x": [x], "event_timestamp": [event], "created": [event]})
        store.push("stream", frame, to=PushMode.ONLINE)
    asked = [{"uid": 1}, {"uid": 2}]
    assert store.get_online_features(["global_stats:x"], entity_rows=asked).to_dict()["x"] == [2.0, 2.0]
    frame = pd.DataFrame({"x": [4.0], "event_timestamp": [NOON + timedelta(hours=2)], "created": [NOON]})
    store.write_to_online_store("global_stats", frame)
    assert store.get_online_features(["global_stats:x"], entity_rows=asked).to_dict()["x"] == [4.0, 4.0]
    stock = FeatureStore(config=stock_config(config)).get_online_features(["global_stats:x"], entity_rows=asked)
    assert stock.to_dict()["x"] == [4.0 if mirrored else None] * 2


def stock_config(config: RepoConfig) -> RepoConfig:
    """Return a configuration of Feast's own store over the same registry and Redis."""
    host, port = parse_url(config.online_store.connection_string).nodes[0]
    return RepoConfig(
        project=config.project,
        provider="local",
        registry=config.registry.path,
        entity_key_serialization_version=3,
        online_store=RedisOnlineStoreConfig(connection_string=f"{host}:{port}"),
        offline_store={"type": "dask"},
    )


def test_unknown_features_and_keys_are_errors(store: FeatureStore) -> None:
    """A feature that does not exist or a request without its join key is refused by name."""
    with pytest.raises(Exception, match="nonsense"):
        store.get_online_features(["stats:nonsense"], entity_rows=[{"uid": 1}])
    with pytest.raises(Exception, match="uid"):
        store.get_online_features(["stats:x"], entity_rows=[{"other": 1}])


def test_the_plain_feast_command_line(tmp_path: Path) -> None:
    """apply, materialize, materialize-incremental, get-online-features and teardown work with three changed lines."""
    (tmp_path / "feature_store.yaml").write_text(
        "project: cli\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        "online_store:\n  type: likewise.stores.packed_redis.PackedRedisOnlineStore\n"
        "  connection_string: embedded:redis\n"
    )
    (tmp_path / "views.py").write_text(
        "from datetime import timedelta\n"
        "from feast import Entity, FeatureView, Field, FileSource, ValueType\nfrom feast.types import Float64, String\n"
        'carrier = Entity(name="carrier", join_keys=["carrier"], value_type=ValueType.STRING)\n'
        'source = FileSource(name="delays_source", path="delays.parquet", timestamp_field="event_timestamp")\n'
        'delays = FeatureView(name="delays", entities=[carrier], ttl=timedelta(0), source=source,\n'
        '                     schema=[Field(name="mean", dtype=Float64), Field(name="hub", dtype=String)])\n'
    )
    now = datetime.now(UTC) - timedelta(hours=1)
    table = {"carrier": ["UA", "AA"], "mean": [1.5, None], "hub": ["EWR", "JFK"]}
    pq.write_table(
        pa.table({**table, "event_timestamp": pa.array([now, now], pa.timestamp("us", tz="UTC"))}),
        tmp_path / "delays.parquet",
    )

    now_text = datetime.now(UTC).isoformat()
    commands = [
        ["apply"],
        ["materialize", "2020-01-01T00:00:00", now_text],
        ["materialize-incremental", now_text],
        ["get-online-features", "--entities", "carrier=UA", "--features", "delays:mean", "--features", "delays:hub"],
        ["teardown"],
    ]
    # Feast's own command line, all commands in one process: importing Feast takes seconds each time.
    driver = (
        "import json, sys\nfrom feast.cli.cli import cli\n"
        "for command in json.loads(sys.argv[1]): cli.main(command, standalone_mode=False)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "LIKEWISE_CLOCK")}
    try:
        answer = subprocess.run(
            [sys.executable, "-c", driver, json.dumps(commands)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        asked = answer.stdout[answer.stdout.index("{") : answer.stdout.rindex("}") + 1]
        assert json.loads(asked) == {"carrier": ["UA"], "mean": [1.5], "hub": ["EWR"]}
        with redis.Redis.from_url(attach(tmp_path / "redis").url) as client:
            assert client.keys() == []
    finally:
        assert stop(tmp_path / "redis")
