"""A small Feast repository on the packed store with embedded Redis: every shape that serving must read."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    OnDemandFeatureView,
    PushSource,
    RequestSource,
    ValueType,
)
from feast.types import Array, Bool, Float32, Float64, Int64, String, UnixTimestamp

from likewise.stores.embedded import stop
from tests.serving.fakes import NOW

YAML = """
project: tested
provider: local
registry: {folder}/registry.db
offline_store:
  type: likewise.stores.asof_duckdb.AsofDuckDBOfflineStore
online_store:
  type: likewise.stores.packed_redis.PackedRedisOnlineStore
  connection_string: embedded:redis
entity_key_serialization_version: 3
"""
RATIO = """
def ratio(inputs):
    pairs = zip(inputs["mean_delay"], inputs["distance"])
    return {"delay_per_mile": [None if d is None or not m else d / m for d, m in pairs]}
"""
CALENDAR = """
def calendar(inputs):
    out = pd.DataFrame()
    out["hour"] = inputs["departs"].dt.hour.astype("int64")
    out["full"] = inputs["flights"] > 100
    out["busy"] = inputs["carrier_stats__flights"].fillna(0.0).astype("float64") / 2
    return out
"""


def _view(folder: Path, name: str, entities: list[Entity], schema: list[Field], **options: object) -> FeatureView:
    """Return a view over an (empty) Parquet source."""
    keys = [key for entity in entities for key in (entity.join_key,)]
    names = [*keys, *(field.name for field in schema), "event_timestamp"]
    types = {"event_timestamp": pa.timestamp("us", tz="UTC")}
    table = pa.table({column: pa.array([], types.get(column, pa.string())) for column in names})
    pq.write_table(table, folder / f"{name}.parquet")
    source = FileSource(name=f"{name}_source", path=f"{name}.parquet", timestamp_field="event_timestamp")
    if options.pop("pushed", False):
        source = PushSource(name=f"{name}_push", batch_source=source)
    fields = [*schema, *(Field(name=entity.join_key, dtype=String) for entity in entities)]
    return FeatureView(name=name, entities=entities, schema=fields, source=source, **options)  # type: ignore[arg-type]


@contextmanager
def repository_in(folder: Path) -> Iterator[FeatureStore]:
    """Make the repository in a folder for the length of a `with`, its Redis embedded and the clock at `NOW`."""
    before = {name: os.environ.pop(name, None) for name in ("REDIS_URL", "LIKEWISE_CLOCK")}
    os.environ["LIKEWISE_CLOCK"] = NOW.isoformat()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Feast's own
            store = make_repository(folder)
        yield store
    finally:  # also when making it failed: its Redis runs by then
        stop(folder / "redis")
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def make_repository(folder: Path) -> FeatureStore:
    """Apply the repository in a folder, write rows, and return its store."""
    (folder / "feature_store.yaml").write_text(YAML.format(folder=folder))
    carrier = Entity(name="carrier", join_keys=["carrier"], value_type=ValueType.STRING)
    airport = Entity(name="airport", join_keys=["airport"], value_type=ValueType.STRING)
    carrier_stats = _view(
        folder,
        "carrier_stats",
        [carrier],
        [
            Field(name="mean_delay", dtype=Float64),
            Field(name="flights", dtype=Int64),
            Field(name="airline", dtype=String),
            Field(name="share", dtype=Float32),
            Field(name="is_low_cost", dtype=Bool),
            Field(name="last_seen", dtype=UnixTimestamp),
            Field(name="hubs", dtype=Array(String)),
            Field(name="counts", dtype=Array(Int64)),
        ],
        ttl=timedelta(days=1),
        pushed=True,
    )
    airport_facts = _view(folder, "airport_facts", [airport], [Field(name="altitude", dtype=Float64)], ttl=timedelta(0))
    totals = _view(folder, "totals", [], [Field(name="all_flights", dtype=Int64)], ttl=timedelta(0))
    request = RequestSource(
        name="flight", schema=[Field(name="distance", dtype=Float64), Field(name="departs", dtype=UnixTimestamp)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ratio = OnDemandFeatureView(
            name="ratio",
            sources=[carrier_stats, request],
            schema=[Field(name="delay_per_mile", dtype=Float64)],
            mode="python",
            udf=_function(RATIO, "ratio"),
            udf_string=RATIO,
        )
        calendar = OnDemandFeatureView(
            name="calendar",
            sources=[carrier_stats, request],
            schema=[
                Field(name="hour", dtype=Int64),
                Field(name="full", dtype=Bool),
                Field(name="busy", dtype=Float64),
            ],
            mode="pandas",
            udf=_function(CALENDAR, "calendar"),
            udf_string=CALENDAR,
        )
        # Each projection of an airport reads under its own name and key.
        origin = airport_facts.with_name("origin_facts").with_join_key_map({"airport": "origin"})
        dest = airport_facts.with_name("dest_facts").with_join_key_map({"airport": "dest"})
        plain = FeatureService(name="plain", features=[carrier_stats, totals])
        routes = FeatureService(name="routes", features=[dest, carrier_stats[["flights"]], origin])
        full = FeatureService(name="full", features=[carrier_stats[["mean_delay", "flights"]], ratio, calendar])
        store = FeatureStore(repo_path=str(folder))
        store.apply([carrier, airport, carrier_stats, airport_facts, totals, ratio, calendar, plain, routes, full])
    write_rows(store)
    return store


def _function(source: str, name: str) -> object:
    """Return the function of a source text, as Feast itself makes it again from the registry."""
    namespace: dict[str, object] = {"pd": pd}
    exec(source, namespace)
    return namespace[name]


def write_rows(store: FeatureStore) -> None:
    """Write two fresh carriers (one full of nulls), one older than its TTL, and two airports."""
    fresh, old = NOW - timedelta(hours=1, microseconds=1500), NOW - timedelta(days=3)
    store.write_to_online_store(
        "carrier_stats",
        pd.DataFrame(
            {
                "carrier": ["UA", "OO", "DL"],
                "mean_delay": [4.5, None, 2.5],
                "flights": [2**60 + 1, 3, 80],
                "airline": ["United", None, "Delta"],
                "share": [0.1, None, 0.5],
                "is_low_cost": [False, None, True],
                "last_seen": pd.to_datetime(["2013-11-05T10:00:00Z", None, "2013-11-01T00:00:00Z"], utc=True),
                "hubs": [["ORD", "DEN"], None, ["ATL"]],
                "counts": [[1, 2, 3], None, []],
                "event_timestamp": [fresh, fresh, old],
            }
        ),
    )
    store.write_to_online_store(
        "airport_facts",
        pd.DataFrame({"airport": ["JFK", "SFO"], "altitude": [13.0, 14.5], "event_timestamp": [old, old]}),
    )
    store.write_to_online_store("totals", pd.DataFrame({"all_flights": [336776], "event_timestamp": [fresh]}))
