"""Deletion of rows: by view, by join keys or by entity, never beyond one project's own keys."""

from collections.abc import Iterable, Iterator

from likewise.stores.packed_clients import SyncClient
from likewise.stores.packed_keys import project_prefix, schemas_key, view_prefix
from likewise.stores.packed_schema import parse_schema

SCAN_COUNT = 1000


def delete_views(client: SyncClient, project: str, views: Iterable[str]) -> int:
    """Delete all rows and schemas of some views of a project; return how many rows there were.

    Redis has no index of prefixes: this walks the whole key space once, without blocking it.
    """
    names = set(views)
    prefixes = tuple(view_prefix(project, view) for view in names)
    deleted = 0
    for keys in _batches(key for key in _keys(client, project) if key.startswith(prefixes)):
        deleted += delete_keys(client, keys)
    book = schemas_key(project)
    gone = [field for field, canonical in client.hgetall(book).items() if _view_of(canonical) in names]
    if gone:
        client.hdel(book, *gone)
    return deleted


def views_with_join_keys(client: SyncClient, project: str, join_keys: Iterable[str]) -> set[str]:
    """Return the views of a project whose rows were written under exactly these join keys."""
    wanted = tuple(sorted(join_keys))
    found = set()
    for canonical in client.hgetall(schemas_key(project)).values():
        try:
            schema = parse_schema(canonical)
        except ValueError:
            continue
        if schema.join_keys == wanted:
            found.add(schema.view)
    return found


def delete_keys(client: SyncClient, keys: Iterable[bytes]) -> int:
    """Delete keys (memory is freed in the background); return how many existed."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.unlink(key)
        return sum(pipe.execute())


def _keys(client: SyncClient, project: str) -> Iterator[bytes]:
    # Names are escaped in keys, so the prefix holds no character with a meaning in a pattern.
    yield from client.scan_iter(match=project_prefix(project) + b"*", count=SCAN_COUNT)


def _batches(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for key in keys:
        batch.append(key)
        if len(batch) == SCAN_COUNT:
            yield batch
            batch = []
    if batch:
        yield batch


def _view_of(canonical: bytes) -> str | None:
    try:
        return parse_schema(canonical).view
    except ValueError:
        return None
