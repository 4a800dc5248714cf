"""Packed rows into Redis: chunked, compare-and-set, on one node or a cluster, sync or async."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import RedisCluster
from redis import asyncio as redis_asyncio
from redis.exceptions import NoScriptError

from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_schema import RowSchema
from likewise.stores.packed_script import PUT_MANY, PUT_ONE, Chunk, digest_of, groups

Progress = Callable[[int], Any] | None
Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where rows of one view go.

    Parameters
    ----------
    schema
        The rows' schema, written beside them.
    schemas_key
        The Redis hash of the project's schemas.
    ttl_seconds
        After how long Redis drops a row that nobody overwrites; None: never.
    keeps_equal
        A row of the same event and created time that is there already stays; else the later written does.
    """

    schema: RowSchema
    schemas_key: bytes
    ttl_seconds: int | None = None
    keeps_equal: bool = False

    @property
    def terms(self) -> tuple[int, int]:
        """Return the leading arguments of both scripts."""
        return self.ttl_seconds or 0, int(self.keeps_equal)


@dataclass(frozen=True, slots=True)
class Put:
    """How rows become commands: many rows a call on one node, one row a call in a cluster."""

    script: str
    digest: str
    is_clustered: bool

    def commands(self, destination: Destination, chunk: Chunk) -> Iterator[Command]:
        """Yield the commands that write a chunk."""
        if self.is_clustered:
            for key, row in zip(chunk.keys, chunk.rows, strict=True):
                yield "EVALSHA", self.digest, 1, key, *destination.terms, row
            return
        keys = (destination.schemas_key, *chunk.keys)
        yield "EVALSHA", self.digest, len(keys), *keys, *destination.terms, *_schema_entry(destination), *chunk.rows


def put_for(client: SyncClient | AsyncClient) -> Put:
    """Return how rows are written through a client."""
    is_clustered = isinstance(client, RedisCluster | redis_asyncio.RedisCluster)
    script = PUT_ONE if is_clustered else PUT_MANY
    return Put(script, digest_of(script), is_clustered)


class RowWriter:
    """Writes rows through one sync client. Safe to repeat: the same rows again change nothing."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._put = put_for(client)

    def write(
        self, destination: Destination, keys: Sequence[bytes], rows: Sequence[bytes], progress: Progress = None
    ) -> int:
        """Write n rows; return how many landed (the rest met newer ones)."""
        landed = 0
        if rows and self._put.is_clustered:
            # The schema must be there before its rows; a cluster orders nothing between nodes.
            self._client.hset(destination.schemas_key, *_schema_entry(destination))
        for group in groups(keys, rows):
            landed += self._write_group(destination, group)
            if progress:
                progress(sum(len(chunk.rows) for chunk in group))
        return landed

    def _write_group(self, destination: Destination, group: Sequence[Chunk]) -> int:
        try:
            return self._send(destination, group)
        except NoScriptError:
            # A server that started, was flushed or took over since does not know it; rows may be sent again.
            self._client.script_load(self._put.script)
            return self._send(destination, group)

    def _send(self, destination: Destination, group: Sequence[Chunk]) -> int:
        """Write a few chunks in one round trip: Redis works on the first while the others are under way."""
        pipe = self._client.pipeline(transaction=False)
        for chunk in group:
            for command in self._put.commands(destination, chunk):
                pipe.execute_command(*command)
        return sum(pipe.execute())


class AsyncRowWriter:
    """Writes rows through one asyncio client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._put = put_for(client)

    async def write(
        self, destination: Destination, keys: Sequence[bytes], rows: Sequence[bytes], progress: Progress = None
    ) -> int:
        """Write n rows; return how many landed (the rest met newer ones)."""
        landed = 0
        if rows and self._put.is_clustered:
            await self._client.hset(destination.schemas_key, *_schema_entry(destination))
        for group in groups(keys, rows):
            for chunk in group:  # one after the other: the event loop has others to serve
                landed += await self._write_chunk(destination, chunk)
            if progress:
                progress(sum(len(chunk.rows) for chunk in group))
        return landed

    async def _write_chunk(self, destination: Destination, chunk: Chunk) -> int:
        try:
            return await self._send(destination, chunk)
        except NoScriptError:
            await self._client.script_load(self._put.script)
            return await self._send(destination, chunk)

    async def _send(self, destination: Destination, chunk: Chunk) -> int:
        pipe = self._client.pipeline() if self._put.is_clustered else self._client.pipeline(transaction=False)
        async with pipe:
            for command in self._put.commands(destination, chunk):
                pipe.execute_command(*command)
            return sum(await pipe.execute())


def _schema_entry(destination: Destination) -> tuple[str, bytes]:
    return destination.schema.fingerprint.hex(), destination.schema.canonical
