"""Feast's read requests over packed rows: which keys, one round trip, then one answer for each view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from likewise.stores.packed_errors import MissingJoinKeyError, UnknownSchemaError
from likewise.stores.packed_fetch import view_batch
from likewise.stores.packed_keys import entity_texts
from likewise.stores.packed_links import Link
from likewise.stores.packed_response import ViewAnswer
from likewise.stores.packed_round_trip import fetch, fetch_async, prefixed
from likewise.stores.packed_views import StoredView, plain


@dataclass(frozen=True, slots=True)
class ViewRead:
    """What to read from one view.

    Parameters
    ----------
    features, names
        The features, and what each is called in the response.
    keys
        n Redis keys; None where a join key has no value.
    """

    view: StoredView
    features: tuple[str, ...]
    names: tuple[str, ...]
    keys: Sequence[bytes | None]
    report_only: bool = False
    metadata: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class OnlineRequest:
    """Reads of one project, answered in one round trip.

    Parameters
    ----------
    now
        Microseconds since 1970 UTC: what TTLs are measured against.
    """

    project: str
    views: tuple[ViewRead, ...]
    now: int

    def read(self, link: Link) -> list[ViewAnswer]:
        """Return each view's answer."""
        book = link.book(self.project)
        with link.named():
            values = fetch(link.client, self._keys())
            try:
                return self._answers(link, values)
            except UnknownSchemaError:
                book.learn(link.client.hgetall(book.key))
        return self._answers(link, values)

    async def read_async(self, link: Link) -> list[ViewAnswer]:
        """Return each view's answer, on the event loop."""
        book, client = link.book(self.project), link.async_client()
        with link.named():
            values = await fetch_async(client, self._keys())
            try:
                return self._answers(link, values)
            except UnknownSchemaError:
                book.learn(await client.hgetall(book.key))
        return self._answers(link, values)

    def _keys(self) -> list[bytes]:
        return list(dict.fromkeys(key for view in self.views for key in view.keys if key is not None))

    def _answers(self, link: Link, values: Sequence[bytes | None]) -> list[ViewAnswer]:
        found: dict[bytes | None, bytes | None] = dict(zip(self._keys(), values, strict=True))
        return [self._answer(link, view, [found.get(key) for key in view.keys]) for view in self.views]

    def _answer(self, link: Link, read: ViewRead, values: Sequence[bytes | None]) -> ViewAnswer:
        # Rows of today's definition need no look at the schemas in Redis.
        link.book(self.project).add(read.view.schema)
        batch = view_batch(link.book(self.project), read.view.owner, values, read.keys)
        return ViewAnswer(
            names=read.names,
            wanted=tuple(read.view.wanted(read.features)),
            batch=batch,
            statuses=batch.row_statuses(self.now, read.view.max_age),
            report_only=read.report_only,
            metadata=read.metadata,
        )


def view_keys(view: StoredView, table: Any, join_key_values: Mapping[str, Sequence[Any]]) -> list[bytes | None]:
    """Return the n Redis keys of one view in a request.

    Parameters
    ----------
    table
        The view as requested: its projection may read a join key under another name.
    join_key_values
        Name in the request -> n protos.
    """
    renamed = table.projection.join_key_map
    columns = []
    for join_key in view.schema.join_keys:
        name = renamed.get(join_key, join_key)
        if name not in join_key_values:
            raise MissingJoinKeyError(table.name, name, list(join_key_values))
        columns.append([plain(value) for value in join_key_values[name]])
    return prefixed_keys(view, columns)


def prefixed_keys(view: StoredView, columns: Sequence[Sequence[object]]) -> list[bytes | None]:
    """Return n Redis keys from the values of the sorted join keys."""
    return prefixed(view.prefix, entity_texts(columns))
