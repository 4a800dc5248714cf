"""Packed rows into Redis: chunked, compare-and-set, on one node or a cluster, sync or async."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import RedisCluster
from redis import asyncio as redis_asyncio

from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_schema import RowSchema
from likewise.stores.packed_script import PUT_MANY, PUT_ONE, Chunk, groups, schema_arguments

Progress = Callable[[int], Any] | None


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
    """

    schema: RowSchema
    schemas_key: bytes
    ttl_seconds: int | None = None


class RowWriter:
    """Writes rows through one sync client. Safe to repeat: the same rows again change nothing."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._put_many = None if isinstance(client, RedisCluster) else client.register_script(PUT_MANY)

    def write(
        self, destination: Destination, keys: Sequence[bytes], rows: Sequence[bytes], progress: Progress = None
    ) -> int:
        """Write n rows; return how many landed (the rest met newer ones)."""
        landed = 0
        for group in groups(keys, rows):
            landed += self._write_group(destination, group)
            if progress:
                progress(sum(len(chunk.rows) for chunk in group))
        return landed

    def _write_group(self, destination: Destination, group: Sequence[Chunk]) -> int:
        """Write a few chunks in one round trip: Redis works on the first while the others are under way."""
        if self._put_many is None:
            # The schema must be there before its rows; a cluster orders nothing between nodes.
            self._client.hset(destination.schemas_key, *_schema_entry(destination))
        elif len(group) == 1:
            return int(self._put_many(*script_arguments(destination, group[0])))
        pipe = self._client.pipeline(transaction=False)
        for chunk in group:
            if self._put_many is not None:
                self._put_many(*script_arguments(destination, chunk), client=pipe)
                continue
            for key, row in zip(chunk.keys, chunk.rows, strict=True):
                pipe.execute_command("EVAL", PUT_ONE, 1, key, destination.ttl_seconds or 0, row)
        return sum(pipe.execute())


class AsyncRowWriter:
    """Writes rows through one asyncio client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        cluster = isinstance(client, redis_asyncio.RedisCluster)
        self._put_many = None if cluster else client.register_script(PUT_MANY)

    async def write(
        self, destination: Destination, keys: Sequence[bytes], rows: Sequence[bytes], progress: Progress = None
    ) -> int:
        """Write n rows; return how many landed (the rest met newer ones)."""
        landed = 0
        for group in groups(keys, rows):
            for chunk in group:  # one after the other: the event loop has others to serve
                landed += await self._write_chunk(destination, chunk)
            if progress:
                progress(sum(len(chunk.rows) for chunk in group))
        return landed

    async def _write_chunk(self, destination: Destination, chunk: Chunk) -> int:
        if self._put_many is not None:
            return int(await self._put_many(*script_arguments(destination, chunk)))
        await self._client.hset(destination.schemas_key, *_schema_entry(destination))
        async with self._client.pipeline() as pipe:
            for key, row in zip(chunk.keys, chunk.rows, strict=True):
                pipe.execute_command("EVAL", PUT_ONE, 1, key, destination.ttl_seconds or 0, row)
            return sum(await pipe.execute())


def script_arguments(destination: Destination, chunk: Chunk) -> tuple[list[bytes], list[bytes | int]]:
    """Return the keys and arguments of `PUT_MANY` for one chunk."""
    leading = schema_arguments(destination.schema, destination.ttl_seconds)
    return [destination.schemas_key, *chunk.keys], [*leading, *chunk.rows]


def _schema_entry(destination: Destination) -> tuple[str, bytes]:
    return destination.schema.fingerprint.hex(), destination.schema.canonical
