"""One round trip to Redis: each distinct key asked once, every view finding its values again."""

from collections.abc import Sequence
from dataclasses import dataclass

from likewise.stores.packed_clients import AsyncClient, SyncClient


def prefixed(prefix: bytes, texts: Sequence[bytes | None]) -> list[bytes | None]:
    """Return the Redis keys of entities in one view; None where the entity is unknown."""
    if None in texts:
        return [None if text is None else prefix + text for text in texts]
    return [prefix + text for text in texts]  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class KeyPlaces:
    """Where one view's values lie among all distinct values fetched."""

    keys: Sequence[bytes | None]
    start: int
    # None: the view's n keys were fetched as they are. Else the place of each key's value, -1 for none.
    chosen: list[int] | None

    def take(self, values: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """Return this view's n values."""
        if self.chosen is None:
            return values[self.start : self.start + len(self.keys)]
        return [None if place < 0 else values[place] for place in self.chosen]


def distinct(views: Sequence[list[bytes | None]]) -> tuple[list[bytes], list[KeyPlaces]]:
    """Return each key once, and how every view finds its values again."""
    wanted: list[bytes] = []
    places = []
    for keys in views:
        start = len(wanted)
        unique = dict.fromkeys(keys)
        if len(unique) == len(keys) and None not in unique:
            wanted += keys  # type: ignore[arg-type]
            places.append(KeyPlaces(keys, start, None))
            continue
        unique.pop(None, None)
        order = {key: start + at for at, key in enumerate(unique)}
        wanted += unique  # type: ignore[arg-type]
        places.append(KeyPlaces(keys, start, [order.get(key, -1) for key in keys]))
    return wanted, places


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
