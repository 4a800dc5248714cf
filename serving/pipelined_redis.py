"""An asyncio Redis client for reading: all requests of a worker share one pipelined connection.

redis-py's asyncio client takes a connection from a pool, writes, and waits, with a lock and a timer for each
command: 0.16 ms of a request here. Commands of concurrent requests written one behind the other on one
connection need none of this; replies come back in order (measured 2026-11: `docs/serving.md`).
"""

import asyncio
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from likewise.stores.redis_url import RedisAddress

CONNECT_SECONDS = 1.0
# Unacknowledged data for so long means that the other side is gone (a failed-over host sends no FIN).
DEAD_PEER_MS = 5_000
# A caller that gives up ends a connection on which nothing has come for so long: a load balancer or a host that
# failed over may take bytes for ever without a reply, and only a new connection reaches who answers now.
SILENT_SECONDS = 0.2
# Taken in at once; as much as uvloop reads.
RECEIVED_BYTES = 262_144
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
_KNOWN_SETTINGS = frozenset({"db", "username", "password", "socket_timeout", "socket_connect_timeout"})

Reply = Any


class PipelinedRedis:
    """Runs commands on one connection of the running event loop; reconnects when it is lost.

    It offers the part of redis-py's client that `PackedReader` uses.
    """

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    @staticmethod
    def supports(address: RedisAddress) -> bool:
        """Whether this client can reach an address: one plain server (no TLS, no special settings)."""
        return _KNOWN_SETTINGS.issuperset(address.settings) and (bool(address.socket_path) or len(address.nodes) == 1)

    async def execute_command(self, *parts: str | bytes) -> Reply:
        """Return the reply to a command.

        Raises
        ------
        redis.exceptions.RedisError
            Redis can't be reached, went away twice, or refused the command.
        """
        return await self.execute_packed(hiredis.pack_command(parts))  # type: ignore[arg-type]  # its stub: one-tuples

    async def execute_packed(self, command: bytes) -> Reply:
        """Return the reply to a command that is given as it goes over the wire; raises as `execute_command`."""
        try:
            return await self._send(command)
        except RedisConnectionError:
            # A read may be asked again: the connection had been closed by the server or by a failover.
            return await self._send(command)

    async def hgetall(self, key: bytes) -> Mapping[bytes, bytes]:
        """Return a hash."""
        flat: Sequence[bytes] = await self.execute_command("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    async def _send(self, command: bytes) -> Reply:
        connection = self._connection
        if connection is None or connection.is_lost:
            connection = await self._connect()
        try:
            reply = await connection.send(command)
        except asyncio.CancelledError:
            connection.doubt()
            raise
        if isinstance(reply, hiredis.HiredisError):
            raise ResponseError(str(reply))
        return reply

    async def _connect(self) -> "_Connection":
        """Return a new connection; callers that come meanwhile wait for the same one."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open())
            self._connecting.add_done_callback(self._opened)
        return await asyncio.shield(self._connecting)

    def _opened(self, task: "asyncio.Task[_Connection]") -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()

    async def _open(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._address.socket_path is not None:
                    _, connection = await loop.create_unix_connection(_Connection, self._address.socket_path)
                else:
                    _, connection = await loop.create_connection(_Connection, *self._address.nodes[0])
                await self._greet(connection)
        except TimeoutError:
            raise RedisConnectionError(f"no connection to {self._address} within {CONNECT_SECONDS:g} s") from None
        except OSError as error:
            raise RedisConnectionError(f"{self._address}: {error.strerror or error}") from error
        return connection

    async def _greet(self, connection: "_Connection") -> None:
        settings = self._address.settings
        if settings.get("password") is not None:
            user = [str(settings["username"])] if settings.get("username") else []
            await self._expect_ok(connection, "AUTH", *user, str(settings["password"]))
        if settings.get("db"):
            await self._expect_ok(connection, "SELECT", str(settings["db"]))

    async def _expect_ok(self, connection: "_Connection", *parts: str) -> None:
        reply = await connection.send(hiredis.pack_command(parts))  # type: ignore[arg-type]  # as above
        if isinstance(reply, hiredis.HiredisError):
            connection.close()
            raise RedisError(f"{parts[0]} refused by {self._address}: {reply}")


class _Connection(asyncio.BufferedProtocol):
    """Commands out, replies in, in order. A caller that gave up leaves its place; its reply is dropped."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        # The loop reads into it, and the parser out of it: a reply may have hundreds of kilobytes.
        self._arrived = bytearray(RECEIVED_BYTES)
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._asked_at = 0.0  # since when the next reply is due, by the loop's clock
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; notice dead peers."""
        self._transport = transport  # type: ignore[assignment]
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if _TCP_USER_TIMEOUT is not None:
                raw.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, DEAD_PEER_MS)

    def send(self, command: bytes) -> "asyncio.Future[Reply]":
        """Return the future reply to a packed command."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self.is_lost or self._transport is None:
            future.set_exception(RedisConnectionError("the connection was closed"))
            return future
        if not self._waiting:
            self._asked_at = self._loop.time()
        self._waiting.append(future)
        # Commands of requests that came together leave together: each write is a system call, and wakes Redis up.
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(command)
        return future

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        # A connection may end in the turn in which commands came; `connection_lost` tells those who sent them.
        if self._transport is not None and outgoing and not self._transport.is_closing():
            self._transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002  asyncio's
        """Return where to put what arrives."""
        return self._arrived

    def buffer_updated(self, nbytes: int) -> None:
        """Give complete replies to those who wait, in order."""
        self._reader.feed(self._arrived, 0, nbytes)  # type: ignore[arg-type]  # its stub knows no buffers
        try:
            while self._waiting and (reply := self._reader.gets()) is not False:
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except hiredis.ProtocolError:
            self.close()
        self._asked_at = self._loop.time()

    def doubt(self) -> None:
        """End the connection if replies are due and none has come for a while; others that wait try a new one."""
        if self._waiting and self._loop.time() - self._asked_at > SILENT_SECONDS:
            self.is_lost = True
            if self._transport is not None:
                self._transport.abort()  # closing would wait for a peer that takes nothing

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail everybody who waits; the next command connects anew."""
        self.is_lost = True
        error = RedisConnectionError(f"the connection was closed{f': {exc}' if exc else ''}")
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def close(self) -> None:
        """Close the connection."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.close()
