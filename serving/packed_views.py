"""The online store behind the port: a plan's views through `PackedReader`, all in one round trip."""

import asyncio
from collections.abc import Mapping, Sequence

from likewise.serving.errors import StoreUnavailableError
from likewise.serving.gathered_reads import GatheredReads
from likewise.serving.online import ENTITYLESS_KEY, StoredRows
from likewise.serving.plan import FeaturePlan, StoredView
from likewise.serving.store_link import StoreLink
from likewise.stores.clock import Clock
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_errors import RedisUnreachableError
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_schema import FieldType


class PackedViews:
    """A `ViewStore` over the packed Redis store; it makes new readers when the link moved to another server."""

    def __init__(self, link: StoreLink, plan: FeaturePlan, clock: Clock) -> None:
        self._link, self._clock = link, clock
        self._requests = [_request(view) for view in plan.stored]
        self._entityless = any(key.in_request == ENTITYLESS_KEY for view in plan.stored for key in view.keys)
        self._sync: tuple[int, PackedReader] = (link.generation, self._reader(link.sync(), None))
        self._by_loop: dict[int, tuple[int, PackedReader]] = {}
        self._gathered: dict[int, GatheredReads] = {}
        self._is_cluster = hasattr(link.sync(), "nodes_manager")

    def _reader(self, client: SyncClient | None, async_client: AsyncClient | None) -> PackedReader:
        return PackedReader(client, self._link.project, self._requests, self._clock, async_client)

    def read(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return one answer per view, in the plan's order.

        Raises
        ------
        StoreUnavailableError
            Redis does not answer.
        """
        try:
            if self._sync[0] != self._link.generation:
                self._sync = (self._link.generation, self._reader(self._link.sync(), None))
            return self._sync[1].read(self._complete(keys))
        except RedisUnreachableError as error:
            raise StoreUnavailableError(error.reason) from error

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return the same without blocking the event loop; reads that come together are gathered.

        Not in a cluster: while one of its servers is away, who needs nothing of it is answered.
        """
        if self._is_cluster:
            return await self._read_alone(keys)
        loop = id(asyncio.get_running_loop())
        gathered = self._gathered.get(loop)
        if gathered is None:
            gathered = self._gathered[loop] = GatheredReads(self._read_alone)
        return await gathered.read(keys)

    async def _read_alone(self, keys: Mapping[str, Sequence[object]]) -> ReadAnswer:
        try:
            return await self._reader_of_loop().read_async(self._complete(keys))
        except RedisUnreachableError as error:
            raise StoreUnavailableError(error.reason) from error

    def _reader_of_loop(self) -> PackedReader:
        loop = id(asyncio.get_running_loop())
        known = self._by_loop.get(loop)
        if known is None or known[0] != self._link.generation:
            known = self._by_loop[loop] = (self._link.generation, self._reader(None, self._link.asynchronous()))
        return known[1]

    def _complete(self, keys: Mapping[str, Sequence[object]]) -> Mapping[str, Sequence[object]]:
        if not self._entityless:
            return keys
        return {**keys, ENTITYLESS_KEY: [""] * len(next(iter(keys.values())))}


def _request(view: StoredView) -> ViewRequest:
    return ViewRequest(
        view=view.stored_name,
        join_keys=tuple(key.in_request for key in view.keys),
        features=tuple(field.name for field in view.fields),
        types=tuple(FieldType[field.feast_type] for field in view.fields),
        ttl=view.ttl,
        stored_join_keys=tuple(key.in_view for key in view.keys),
        report_only=view.report_only,
    )
