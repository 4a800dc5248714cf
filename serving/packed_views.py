"""The online store behind the port: a plan's views through `PackedReader`, all in one round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from likewise.serving.errors import StoreUnavailableError
from likewise.serving.online import StoredRows
from likewise.serving.plan import FeaturePlan, StoredView
from likewise.stores.clock import Clock
from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_errors import RedisUnreachableError
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_schema import FieldType

ENTITYLESS_KEY = "__dummy_id"  # Feast's name for the key of views without an entity; its value is empty


@dataclass(frozen=True, slots=True)
class StoreClients:
    """Connections of one worker to the online store, and the project whose rows it reads.

    Attributes
    ----------
    project
        Feast's project.
    sync, asynchronous
        Clients of the same server; the second belongs to the worker's event loop.
    """

    project: str
    sync: SyncClient
    asynchronous: AsyncClient


class PackedViews:
    """A `ViewStore` over the packed Redis store."""

    def __init__(self, clients: StoreClients, plan: FeaturePlan, clock: Clock) -> None:
        requests = [_request(view) for view in plan.stored]
        self._reader = PackedReader(clients.sync, clients.project, requests, clock, clients.asynchronous)
        self._entityless = any(key.in_request == ENTITYLESS_KEY for view in plan.stored for key in view.keys)

    def read(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return one answer per view, in the plan's order.

        Raises
        ------
        StoreUnavailableError
            Redis does not answer.
        """
        try:
            return self._reader.read(self._complete(keys))
        except RedisUnreachableError as error:
            raise StoreUnavailableError(error.reason) from error

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return the same without blocking the event loop."""
        try:
            return await self._reader.read_async(self._complete(keys))
        except RedisUnreachableError as error:
            raise StoreUnavailableError(error.reason) from error

    def _complete(self, keys: Mapping[str, Sequence[object]]) -> Mapping[str, Sequence[object]]:
        if not self._entityless:
            return keys
        n = max((len(values) for values in keys.values()), default=1)
        return {**keys, ENTITYLESS_KEY: [""] * n}


def _request(view: StoredView) -> ViewRequest:
    return ViewRequest(
        view=view.stored_name,
        join_keys=tuple(key.in_request for key in view.keys),
        features=tuple(field.name for field in view.fields),
        types=tuple(FieldType[field.feast_type] for field in view.fields),
        ttl=view.ttl,
        stored_join_keys=tuple(key.in_view for key in view.keys),
    )
