"""One round trip to Redis."""

from collections.abc import Sequence

from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_row_keys import RowKeys


def prefixed(prefix: bytes, texts: Sequence[bytes | None]) -> list[bytes | None]:
    """Return the Redis keys of entities in one view; None where the entity is unknown."""
    if None in texts:
        return [None if text is None else prefix + text for text in texts]
    return [prefix + text for text in texts]  # type: ignore[operator]


def fetch(client: SyncClient, keys: Sequence[bytes]) -> list[bytes | None]:
    """Return the values of keys: one MGET, or in a cluster one pipeline per node at the same time."""
    if not keys:
        return []
    if hasattr(client, "nodes_manager"):  # a cluster
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(key)
            return pipe.execute()  # type: ignore[no-any-return]
    return client.execute_command("MGET", *keys)  # type: ignore[no-any-return]


async def fetch_async(client: AsyncClient, keys: Sequence[bytes]) -> list[bytes | None]:
    """Return the values of keys, as `fetch` does."""
    if not keys:
        return []
    if hasattr(client, "nodes_manager"):  # a cluster
        async with client.pipeline() as pipe:
            for key in keys:
                pipe.get(key)
            return await pipe.execute()  # type: ignore[no-any-return]
    return await client.execute_command("MGET", *keys)  # type: ignore[no-any-return]


async def fetch_rows_async(client: AsyncClient, keys: RowKeys) -> list[bytes | None]:
    """Return the values of the keys of rows; a client that sends commands as they are gets the command itself."""
    if len(keys) and hasattr(client, "execute_packed"):
        return await client.execute_packed(keys.mget())  # type: ignore[no-any-return]
    return await fetch_async(client, keys.listed())
