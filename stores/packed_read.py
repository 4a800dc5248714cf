"""The native read: entity keys in, numpy columns with honest statuses out, one round trip for all views."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from redis.exceptions import RedisError

from likewise.stores.clock import Clock
from likewise.stores.packed_answer import Asked, ReadAnswer, answer
from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_columns import logical_type
from likewise.stores.packed_errors import RedisUnreachableError, UnknownSchemaError
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_fetch import Owner, SchemaBook
from likewise.stores.packed_keys import entity_texts, request_values, view_prefix
from likewise.stores.packed_parts import PartReader
from likewise.stores.packed_round_trip import fetch, fetch_rows_async
from likewise.stores.packed_row_keys import KeyPlan, RowKeys
from likewise.stores.packed_schema import FieldType

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What to read from one feature view.

    Parameters
    ----------
    view
        The view's name in keys (with Feast's version suffix, if versioning is on).
    join_keys
        The names under which requests carry the join keys.
    features, types
        Feature names and their declared Feast types (`feast.ValueType`, its number, or `FieldType`).
    ttl
        The view's time to live; None or zero: for ever.
    stored_join_keys
        The view's own names of `join_keys`, in the same order, where a request renames them.
    report_only
        Rows past their TTL say so in their status but keep their values (for the day of switching).
    """

    view: str
    join_keys: tuple[str, ...]
    features: tuple[str, ...]
    types: tuple[Any, ...]
    ttl: timedelta | None = None
    stored_join_keys: tuple[str, ...] | None = None
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """A view request, resolved once."""

    prefix: bytes
    owner: Owner
    # Names in requests, ordered as the view's own names sort: the order inside its Redis keys.
    request_keys: tuple[str, ...]
    wanted: tuple[Wanted, ...]


class PackedReader:
    """Reads many views of one project in one round trip. Long-lived and safe to share between threads.

    Parameters
    ----------
    client
        A sync client, or None when only `read_async` is used.
    async_client
        An asyncio client of the event loop in which `read_async` runs, or None.
    """

    def __init__(
        self,
        client: SyncClient | None,
        project: str,
        views: Sequence[ViewRequest],
        clock: Clock,
        async_client: AsyncClient | None = None,
    ) -> None:
        self._client, self._async_client, self._clock = client, async_client, clock
        self._plans = tuple(_plan(project, view) for view in views)
        self._keys = KeyPlan([plan.prefix for plan in self._plans], [plan.request_keys for plan in self._plans])
        self._book = SchemaBook(project)
        wanted = [plan.wanted for plan in self._plans]
        self._parts = PartReader(self._book, [plan.owner for plan in self._plans], wanted)
        ages = [view.ttl // _MICROSECOND if view.ttl else None for view in views]
        self.asked = Asked(wanted, ages, [view.report_only for view in views])

    def read(self, keys: Mapping[str, Sequence[object]]) -> ReadAnswer:
        """Return each view's rows for n entities, views in the order given at construction.

        Parameters
        ----------
        keys
            join key -> n values (integers, texts, bytes or times; None finds nothing).

        Raises
        ------
        MissingJoinKeyError, CorruptRowError, UnknownSchemaError, RedisUnreachableError
        """
        wanted = self._row_keys(keys)
        if self._client is None:
            raise TypeError("this PackedReader has no sync client; use read_async or pass client=")
        try:
            values = fetch(self._client, wanted.listed())
            try:
                return self._answer(values, wanted)
            except UnknownSchemaError:
                self._book.learn(self._client.hgetall(self._book.key))
        except RedisError as error:
            raise RedisUnreachableError("the feature store", str(error)) from error
        return self._answer(values, wanted)

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> ReadAnswer:
        """Return what `read` returns, without blocking the event loop while Redis works."""
        wanted = self._row_keys(keys)
        if self._async_client is None:
            raise TypeError("this PackedReader has no asyncio client; use read or pass async_client=")
        try:
            values = await fetch_rows_async(self._async_client, wanted)
            try:
                return self._answer(values, wanted)
            except UnknownSchemaError:
                self._book.learn(await self._async_client.hgetall(self._book.key))
        except RedisError as error:
            raise RedisUnreachableError("the feature store", str(error)) from error
        return self._answer(values, wanted)

    def _row_keys(self, keys: Mapping[str, Sequence[object]]) -> RowKeys:
        """Return the Redis keys of n entities."""
        texts: dict[Hashable, list[bytes | None]] = {}
        for plan in self._plans:
            if plan.request_keys not in texts:
                texts[plan.request_keys] = entity_texts(request_values(keys, plan.owner.view, plan.request_keys))
        return self._keys.keys(texts)

    def _answer(self, values: Sequence[bytes | None], keys: RowKeys) -> ReadAnswer:
        found = self._parts.read(keys.by_view(values), keys.names)
        return answer(self.asked, found, (self._clock.now() - _EPOCH) // _MICROSECOND)


def _plan(project: str, request: ViewRequest) -> _Plan:
    stored = request.stored_join_keys or request.join_keys
    order = sorted(range(len(stored)), key=stored.__getitem__)
    wanted = tuple(Wanted(name, field_type(kind)) for name, kind in zip(request.features, request.types, strict=True))
    for feature in wanted:
        logical_type(f"{request.view}:{feature.name}", feature.type)  # refuses here, not in a request
    return _Plan(
        prefix=view_prefix(project, request.view),
        owner=Owner(request.view, tuple(sorted(stored))),
        request_keys=tuple(request.join_keys[at] for at in order),
        wanted=wanted,
    )


def field_type(kind: Any) -> FieldType:
    """Return the field type of a Feast value type, its number, or a `FieldType`."""
    return FieldType(getattr(kind, "value", kind))
