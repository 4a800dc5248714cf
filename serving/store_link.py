"""The worker's connections to the online store, which follow the embedded server when it comes back elsewhere."""

import asyncio
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from redis.backoff import NoBackoff

from likewise.serving.pipelined_redis import PipelinedRedis
from likewise.stores.embedded import status
from likewise.stores.packed_clients import AsyncClient, Patience, SyncClient, Topology, connect, connect_async
from likewise.stores.redis_url import EMBEDDED, RedisAddress, chosen, embedded_directory, parse_url, resolve

logger = logging.getLogger(__name__)

# Every command twice, at once: redis-py's own patience outlasts any deadline.
IMPATIENT: Final = Patience(1, NoBackoff())


class StoreLink:
    """Clients of one Redis: one for threads, one for each event loop; made anew when the server moved.

    Parameters
    ----------
    project
        Feast's project.
    connection_string
        As `feature_store.yaml` has it; `REDIS_URL` replaces an embedded one.
    base
        What a relative `embedded:` folder is relative to.
    topology
        Single server, cluster or sentinel.
    """

    def __init__(self, project: str, connection_string: str, base: Path | None, topology: Topology) -> None:
        self.project = project
        self.generation = 0
        self._connection_string, self._base, self._topology = chosen(connection_string), base, topology
        self._lock = threading.Lock()
        self._address: RedisAddress = resolve(self._connection_string, base)
        self._sync = connect(_hurried(self._address), topology, IMPATIENT)
        self._by_loop: dict[int, AsyncClient] = {}

    def sync(self) -> SyncClient:
        """Return the client for threads."""
        return self._sync

    def asynchronous(self) -> AsyncClient:
        """Return the client of the running event loop."""
        loop = id(asyncio.get_running_loop())
        client = self._by_loop.get(loop)
        if client is None:
            with self._lock:
                client = self._by_loop.setdefault(loop, self._connect_async())
        return client

    def _connect_async(self) -> AsyncClient:
        if self._topology.kind == "redis" and PipelinedRedis.supports(self._address):
            # It has the two methods that `PackedReader` calls.
            return cast("AsyncClient", PipelinedRedis(self._address))
        return connect_async(_hurried(self._address), self._topology, IMPATIENT)

    def relocate(self) -> bool:
        """Return whether the embedded server now runs at another address, and use that from now on.

        It never starts a server: `likewise down` must stay down.
        """
        if not self._connection_string.startswith(EMBEDDED):
            return False
        server = status(embedded_directory(self._connection_string, self._base))
        if server is None or (address := parse_url(server.url)) == self._address:
            return False
        with self._lock:
            self._address, self._sync = address, connect(_hurried(address), self._topology, IMPATIENT)
            self._by_loop = {}
            self.generation += 1
        logger.warning("the embedded Redis is now at %s", address)
        return True

    async def aclose(self) -> None:
        """Close the clients of this event loop and of threads."""
        client = self._by_loop.pop(id(asyncio.get_running_loop()), None)
        if client is not None:
            await client.aclose()
        self._sync.close()


def _hurried(address: RedisAddress) -> RedisAddress:
    """Return an address whose clients give up within seconds, unless its own settings say otherwise."""
    return replace(address, settings={"socket_connect_timeout": 1, "socket_timeout": 2, **address.settings})
