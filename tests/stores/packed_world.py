"""Feature views, rows and stores for tests of the packed online store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import FeastType, Float64, Int64, String

from likewise.stores.clock import FixedClock
from likewise.stores.packed_redis import PackedRedisOnlineStore, PackedRedisOnlineStoreConfig

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def config_of(url: str, project: str = "exp", **settings: object) -> RepoConfig:
    """Return a configuration whose online store is the packed one."""
    return RepoConfig(
        project=project,
        provider="local",
        registry="unused.db",
        entity_key_serialization_version=3,
        online_store=PackedRedisOnlineStoreConfig(connection_string=url, **settings),
        offline_store={"type": "dask"},
    )


def store_at(instant: datetime = NOON) -> PackedRedisOnlineStore:
    """Return a store whose clock stands at an instant."""
    return PackedRedisOnlineStore(clock=FixedClock(instant))


@dataclass(frozen=True)
class View:
    """A feature view keyed by `uid`, to be declared."""

    name: str = "stats"
    fields: Mapping[str, FeastType] = field(default_factory=lambda: {"x": Float64})
    ttl: timedelta = timedelta(0)
    keys: Mapping[str, ValueType] = field(default_factory=lambda: {"uid": ValueType.INT64})
    path: str = "unused.parquet"

    def entities(self) -> list[Entity]:
        """Return the view's entities."""
        return [Entity(name=key, join_keys=[key], value_type=kind) for key, kind in self.keys.items()]

    def feast(self) -> FeatureView:
        """Return the view as Feast knows it."""
        types = {ValueType.INT64: Int64, ValueType.STRING: String}
        keys = [Field(name=key, dtype=types[kind]) for key, kind in self.keys.items()]
        return FeatureView(
            name=self.name,
            entities=self.entities(),
            ttl=self.ttl,
            schema=[*keys, *(Field(name=name, dtype=kind) for name, kind in self.fields.items())],
            source=FileSource(
                name=f"{self.name}_source",
                path=self.path,
                timestamp_field="event_timestamp",
                created_timestamp_column="created",
            ),
        )


def entity(uid: int, name: str = "uid") -> EntityKey:
    """Return an entity key."""
    return EntityKey(join_keys=[name], entity_values=[Value(int64_val=uid)])


Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


def row(uid: int, x: float, event: datetime = NOON, created: datetime | None = None) -> Row:
    """Return a row to write with one feature `x`."""
    return entity(uid), {"x": Value(double_val=x)}, event, created


def numbers(found: Sequence[tuple[datetime | None, dict[str, Value] | None]], name: str = "x") -> list[float | None]:
    """Return one feature of what `online_read` gave; None where there is no row or a null."""
    return [
        None if values is None or not values[name].WhichOneof("val") else values[name].double_val for _, values in found
    ]


def feast_store(config: RepoConfig, folder: Path, views: Sequence[View]) -> FeatureStore:
    """Return a Feast store with some views applied."""
    config.registry.path = str(folder / f"{config.project}.db")
    store = FeatureStore(config=config)
    entities = {entity.name: entity for view in views for entity in view.entities()}
    store.apply([*entities.values(), *(view.feast() for view in views)])
    return store
