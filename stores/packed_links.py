"""One store instance's connections: made on first use, one per event loop, with errors that name the server."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from likewise.stores.embedded import status
from likewise.stores.packed_clients import AsyncClient, SyncClient, Topology, close_async, connect, connect_async
from likewise.stores.packed_errors import RedisRefusedError, RedisUnreachableError
from likewise.stores.packed_fetch import SchemaBook
from likewise.stores.packed_write import AsyncRowWriter, RowWriter
from likewise.stores.redis_url import EMBEDDED, RedisAddress, chosen, embedded_directory, parse_url, resolve


class Link:
    """Connections to one Redis. Safe to share between threads and event loops."""

    def __init__(self, connection_string: str, base: Path | None, topology: Topology) -> None:
        self._place = (chosen(connection_string), base)
        self._is_lost = False
        self.address: RedisAddress = resolve(*self._place)
        with self.named():  # a cluster's client connects at once
            self.client: SyncClient = connect(self.address, topology)
        self.writer = RowWriter(self.client)
        self._topology = topology
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[AsyncClient, AsyncRowWriter]] = (
            WeakKeyDictionary()
        )
        self._books: dict[str, SchemaBook] = {}
        self._lock = threading.Lock()

    def has_moved(self) -> bool:
        """Return whether the embedded server was lost and has been started again at another address.

        It is not started from here: `likewise down` must stay down.
        """
        connection_string, base = self._place
        if not self._is_lost or not connection_string.startswith(EMBEDDED):
            return False
        server = status(embedded_directory(connection_string, base))
        # Asked once for each loss: it takes some files.
        self._is_lost = server is None
        return server is not None and parse_url(server.url) != self.address

    def book(self, project: str) -> SchemaBook:
        """Return the schemas met so far in a project."""
        return self._books.setdefault(project, SchemaBook(project))

    def async_client(self) -> AsyncClient:
        """Return the asyncio client of the running event loop."""
        return self._of_loop()[0]

    def async_writer(self) -> AsyncRowWriter:
        """Return the asyncio writer of the running event loop."""
        return self._of_loop()[1]

    def _of_loop(self) -> tuple[AsyncClient, AsyncRowWriter]:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._loops:
                client = connect_async(self.address, self._topology)
                self._loops[loop] = (client, AsyncRowWriter(client))
            return self._loops[loop]

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Turn what redis-py raises into errors that say which server and what to do."""
        try:
            yield
        except (RedisConnectionError, RedisTimeoutError, RedisClusterException, ConnectionError) as error:
            self._is_lost = True
            raise RedisUnreachableError(str(self.address), str(error)) from error
        except ResponseError as error:
            raise RedisRefusedError(str(self.address), str(error)) from error

    async def aclose(self) -> None:
        """Close the asyncio client of the running event loop."""
        entry = self._loops.pop(asyncio.get_running_loop(), None)
        if entry is not None:
            await close_async(entry[0])

    def close(self) -> None:
        """Close the sync client."""
        self.client.close()
