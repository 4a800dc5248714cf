"""A small Feast repository in a temporary folder, as the store tests need it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import FeastType, Float64

OURS = "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore"


def make_store(folder: Path, offline: str = OURS, **settings: object) -> FeatureStore:
    """Return a store on an SQLite online store and a file registry in `folder`; settings are the offline store's."""
    return store_of(folder, {"type": offline, **settings}, {"type": "sqlite", "path": str(folder / "online.db")})


def store_of(folder: Path, offline: dict[str, object], online: dict[str, object], **rest: object) -> FeatureStore:
    """Return a store on a file registry in `folder`."""
    config = RepoConfig(
        project="tested",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store=offline,
        online_store=online,
        entity_key_serialization_version=3,
        repo_path=folder,
        **rest,
    )
    return FeatureStore(config=config)


@dataclass(frozen=True, slots=True)
class ViewOf:
    """A feature view over a table, to be written and declared."""

    name: str
    table: pa.Table
    keys: Mapping[str, ValueType] = field(default_factory=lambda: {"uid": ValueType.INT64})
    features: Mapping[str, FeastType] = field(default_factory=lambda: {"x": Float64})
    ttl: timedelta | None = None
    created: bool = False
    field_mapping: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None

    def declare(self, folder: Path) -> FeatureView:
        """Write the table below `folder` and return the view, its path relative to the folder."""
        path = self.path or f"{self.name}.parquet"
        if self.path is None:
            pq.write_table(self.table, folder / path)
        return FeatureView(
            name=self.name,
            entities=[Entity(name=key, join_keys=[key], value_type=kind) for key, kind in self.keys.items()],
            ttl=self.ttl or timedelta(0),
            schema=[Field(name=name, dtype=kind) for name, kind in self.features.items()],
            source=FileSource(
                name=f"{self.name}_source",
                path=path,
                timestamp_field=self.field_mapping.get("event_timestamp", "event_timestamp"),
                created_timestamp_column="created" if self.created else "",
                field_mapping=dict(self.field_mapping),
            ),
        )


def apply(store: FeatureStore, objects: Sequence[object]) -> None:
    """Register objects, deaf to Feast's warning that on-demand views are experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "On demand feature view is an experimental", RuntimeWarning)
        store.apply(list(objects))


def apply_views(store: FeatureStore, folder: Path, views: Sequence[ViewOf]) -> list[FeatureView]:
    """Declare and apply views with their entities; return them."""
    declared = [view.declare(folder) for view in views]
    entities = {
        key: Entity(name=key, join_keys=[key], value_type=kind) for view in views for key, kind in view.keys.items()
    }
    apply(store, [*entities.values(), *declared])
    return declared
