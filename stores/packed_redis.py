"""Feast's Redis online store with packed rows: a plug-in named in `feature_store.yaml`.

Feast finds the configuration class in the module of the store, so both live here; everything else is in the
`packed_*` modules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
from feast import Entity, FeatureView, RepoConfig
from feast.feature_service import FeatureService
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.infra.registry.base_registry import BaseRegistry
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from likewise.stores.clock import Clock, clock_from_environment
from likewise.stores.packed_bulk import proto_rows, time_columns, write_batches
from likewise.stores.packed_clients import AsyncClient, SyncClient, Topology
from likewise.stores.packed_delete import delete_keys, delete_views, views_with_join_keys
from likewise.stores.packed_feast_layout import delete_feast_entities, delete_feast_rows
from likewise.stores.packed_keys import schemas_key
from likewise.stores.packed_links import Link
from likewise.stores.packed_plans import ReadPlanner
from likewise.stores.packed_request import prefixed_keys
from likewise.stores.packed_resolve import Asked, resolve
from likewise.stores.packed_rows import WriteRow, keyed_rows, packed_rows
from likewise.stores.packed_views import StoredView, entity_values, stored_view
from likewise.stores.packed_write import Destination

Progress = Callable[[int], Any] | None
ReadRow = tuple[datetime | None, dict[str, Value] | None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TYPE: Final = "likewise.stores.packed_redis.PackedRedisOnlineStore"


class PackedRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """Settings of the packed Redis online store, on top of those of Feast's own."""

    # Feast reads the store's class from here; its own settings classes narrow the type in the same way.
    type: Literal["likewise.stores.packed_redis.PackedRedisOnlineStore"] = _TYPE  # type: ignore[assignment]

    ttl_report_only: bool | list[str] = False
    """Views (or all: true) whose rows keep their values after their TTL and only say OUTSIDE_MAX_AGE."""

    mirror_feast_layout: bool = False
    """Write Feast's own hashes too, while stock readers live."""


class PackedRedisOnlineStore(RedisOnlineStore):
    """One packed value for each (feature view, entity); statuses by time to live and clock.

    Parameters
    ----------
    clock
        What "now" is for TTLs; default: the one that `LIKEWISE_CLOCK` names at each read.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self.clock = clock
        self._links: dict[tuple[str, str], Link] = {}
        self._base: Path | None = None
        self._planner = ReadPlanner(self._now)

    # -- connections ---------------------------------------------------------------------------------------

    def link(self, config: RepoConfig) -> Link:
        """Return the connections of this configuration, making them on first use."""
        self._base = config.repo_path
        return self._link(config.online_store, config.repo_path)

    async def close(self) -> None:
        """Close every connection of the running event loop."""
        for link in self._links.values():
            await link.aclose()
            link.close()

    def _link(self, settings: RedisOnlineStoreConfig, base: Path | None) -> Link:
        place = (settings.connection_string, str(base or ""))
        link = self._links.get(place)
        if link is not None and link.has_moved():
            link.close()
            link = None
        if link is None:
            topology = Topology(settings.redis_type.value, settings.sentinel_master)
            self._links[place] = Link(settings.connection_string, base, topology)
        return self._links[place]

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> SyncClient:
        # Feast's own code asks so when the layout is mirrored or migrated; it does not say which repository.
        return self._link(online_store_config, self._base).client

    async def _get_client_async(self, online_store_config: RedisOnlineStoreConfig) -> AsyncClient:
        return self._link(online_store_config, self._base).async_client()

    # -- writing -------------------------------------------------------------------------------------------

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[WriteRow], progress: Progress
    ) -> None:
        """Write rows; each lands unless Redis holds a newer one by (event time, created time)."""
        view, data = stored_view(config, table), keyed_rows(data)
        packed = packed_rows(view, data)
        link = self.link(config)
        with link.named():
            link.writer.write(self.destination(config, view), packed.keys, packed.rows, progress)
            if config.online_store.mirror_feast_layout:
                super().online_write_batch(config, table, data, None)

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: list[WriteRow], progress: Progress
    ) -> None:
        """Write rows as `online_write_batch` does, on the event loop."""
        view, data = stored_view(config, table), keyed_rows(data)
        packed = packed_rows(view, data)
        link = self.link(config)
        with link.named():
            await link.async_writer().write(self.destination(config, view), packed.keys, packed.rows, progress)
            if config.online_store.mirror_feast_layout:
                await super().online_write_batch_async(config, table, data, None)

    def write_arrow(
        self, config: RepoConfig, view: FeatureView, batches: Iterable[pa.RecordBatch], progress: Progress = None
    ) -> int:
        """Write Arrow record batches of a feature view; return how many rows landed (the rest met newer ones).

        Parameters
        ----------
        batches
            Join key, feature and timestamp columns under the names of the view (field mapping already applied).
        progress
            Called with the number of rows each time some have been sent.
        """
        stored = stored_view(config, view)
        link = self.link(config)
        times = time_columns(view)
        if config.online_store.mirror_feast_layout:
            batches = self._mirrored(config, view, batches)
        with link.named():
            return write_batches(link.writer, self.destination(config, stored), stored, batches, times, progress)

    def _mirrored(
        self, config: RepoConfig, view: FeatureView, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            super().online_write_batch(config, view, keyed_rows(proto_rows(view, batch)), None)
            yield batch

    def destination(self, config: RepoConfig, view: StoredView) -> Destination:
        """Return where rows of a view go."""
        return Destination(view.schema, schemas_key(config.project), config.online_store.key_ttl_seconds)

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Say that reads and writes have asyncio forms."""
        return SupportedAsyncMethods(read=True, write=True)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Return (event time, feature -> value) of each entity; (None, None) where there is no row.

        Feast's interface has no status here: the values of rows past their TTL are empty.
        """
        request = self._planner.of_view(config, table, entity_keys, requested_features)
        return request.read(self.link(config))[0].rows()

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Return what `online_read` returns, on the event loop."""
        request = self._planner.of_view(config, table, entity_keys, requested_features)
        return (await request.read_async(self.link(config)))[0].rows()

    def get_online_features(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: list[dict[str, Any]] | Mapping[str, Any],
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,  # noqa: FBT001, FBT002
        include_feature_view_version_metadata: bool = False,  # noqa: FBT001, FBT002
    ) -> OnlineResponse:
        """Return the features of n entities with truthful statuses.

        Values become Python objects or protos only when the response is asked for them, unless on-demand views
        need them here.
        """
        asked = Asked(features, entity_rows, full_feature_names, include_feature_view_version_metadata)
        resolved = resolve(registry, project, asked)
        request = self._planner.of_resolved(config, resolved)
        return resolved.response(request.read(self.link(config)))

    async def get_online_features_async(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: list[dict[str, Any]] | Mapping[str, Any],
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,  # noqa: FBT001, FBT002
        include_feature_view_version_metadata: bool = False,  # noqa: FBT001, FBT002
    ) -> OnlineResponse:
        """Return what `get_online_features` returns, on the event loop."""
        asked = Asked(features, entity_rows, full_feature_names, include_feature_view_version_metadata)
        resolved = resolve(registry, project, asked)
        request = self._planner.of_resolved(config, resolved)
        return resolved.response(await request.read_async(self.link(config)))

    def _now(self) -> int:
        """Return what TTLs are measured against, in microseconds since 1970 UTC."""
        return ((self.clock or clock_from_environment()).now() - _EPOCH) // _MICROSECOND

    # -- deleting ------------------------------------------------------------------------------------------

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],  # noqa: ARG002
        entities_to_delete: Sequence[Entity],  # noqa: ARG002
        entities_to_keep: Sequence[Entity],  # noqa: ARG002
        partial: bool,  # noqa: ARG002, FBT001
    ) -> None:
        """Delete the rows of views that left the repository (`full_scan_for_deletion: false` keeps them)."""
        if config.online_store.full_scan_for_deletion and tables_to_delete:
            self._delete_tables(config, tables_to_delete)

    def teardown(
        self,
        config: RepoConfig,
        tables: Sequence[FeatureView],
        entities: Sequence[Entity],  # noqa: ARG002
    ) -> None:
        """Delete the rows of these views of this project; other projects in the same Redis keep theirs."""
        if tables:
            self._delete_tables(config, tables)

    def delete_table(self, config: RepoConfig, table: FeatureView) -> None:
        """Delete the rows of one view."""
        self._delete_tables(config, [table])

    def delete_entity_values(self, config: RepoConfig, join_keys: list[str]) -> None:
        """Delete the rows of every view of this project that has exactly these join keys."""
        client = self.link(config).client
        self._delete_views(config, views_with_join_keys(client, config.project, join_keys))

    def delete_entities(
        self, config: RepoConfig, tables: Sequence[FeatureView], entity_keys: Sequence[EntityKey]
    ) -> int:
        """Delete single entities from these views; return how many rows there were."""
        columns = entity_values(entity_keys)
        keys = [key for table in tables for key in prefixed_keys(stored_view(config, table), columns) if key]
        link = self.link(config)
        with link.named():
            for table in tables if config.online_store.mirror_feast_layout else ():
                delete_feast_entities(link.client, config, table, entity_keys)
            return delete_keys(link.client, keys)

    def _delete_tables(self, config: RepoConfig, tables: Sequence[FeatureView]) -> None:
        self._delete_views(config, [_name(config, table) for table in tables])
        link = self.link(config)
        with link.named():
            for table in tables if config.online_store.mirror_feast_layout else ():
                delete_feast_rows(link.client, config, table)

    def _delete_views(self, config: RepoConfig, views: Iterable[str]) -> None:
        link = self.link(config)
        with link.named():
            delete_views(link.client, config.project, views)


def _name(config: RepoConfig, table: FeatureView) -> str:
    return str(compute_versioned_name(table, config.registry.enable_online_feature_view_versioning))
