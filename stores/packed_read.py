"""The native read: entity keys in, numpy columns with honest statuses out, one round trip for all views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from redis.exceptions import RedisError

from likewise.stores.clock import Clock
from likewise.stores.packed_clients import AsyncClient, SyncClient
from likewise.stores.packed_columns import ColumnPicker, Wanted, feature_nulls, logical_type
from likewise.stores.packed_encode import Bits, Times
from likewise.stores.packed_errors import RedisUnreachableError, UnknownSchemaError
from likewise.stores.packed_fetch import Owner, SchemaBook, ViewBatch, view_batch
from likewise.stores.packed_keys import entity_texts, request_values, view_prefix
from likewise.stores.packed_schema import FieldType
from likewise.transforms.columns import Column

PRESENT: Final = 1
NULL_VALUE: Final = 2
NOT_FOUND: Final = 3
OUTSIDE_MAX_AGE: Final = 4

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
class ViewRows:
    """What one view answered for n keys.

    Parameters
    ----------
    columns
        One column of n values for each feature, in the order asked; missing where the row was not found, is
        too old, or has a null.
    statuses
        (n,) uint8: PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE of each row.
    event_times, created_times
        (n,) int64 microseconds since 1970 UTC; the smallest int64 where unknown.
    """

    columns: dict[str, Column]
    statuses: npt.NDArray[np.uint8]
    event_times: Times
    created_times: Times
    nulls: "NullCells" = field(repr=False)

    def statuses_of(self, feature: str) -> npt.NDArray[np.uint8]:
        """Return Feast's status of each value of a feature, (n,) uint8; NULL_VALUE where a present row has a null."""
        statuses = self.statuses.copy()
        statuses[(statuses == PRESENT) & self.nulls.of(feature)] = NULL_VALUE
        return statuses

    def feature_statuses(self) -> npt.NDArray[np.uint8]:
        """Return the statuses of all values, (n, f) uint8, features in the order asked."""
        return np.stack([self.statuses_of(name) for name in self.columns], axis=1)


@dataclass(frozen=True, slots=True)
class NullCells:
    """Which cells of an answer are null, worked out only when somebody asks."""

    batch: ViewBatch
    wanted: tuple[Wanted, ...]

    def of(self, feature: str) -> Bits:
        """Return the (n,) mask of one feature."""
        chosen = [wanted for wanted in self.wanted if wanted.name == feature]
        return feature_nulls(self.batch, chosen)[:, 0]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A view request, resolved once."""

    prefix: bytes
    owner: Owner
    # Names in requests, ordered as the view's own names sort: the order inside its Redis keys.
    request_keys: tuple[str, ...]
    picker: ColumnPicker
    max_age: int | None
    report_only: bool


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
        self._book = SchemaBook(project)

    def read(self, keys: Mapping[str, Sequence[object]]) -> list[ViewRows]:
        """Return each view's rows for n entities, views in the order given at construction.

        Parameters
        ----------
        keys
            join key -> n values (integers, texts, bytes or times; None finds nothing).

        Raises
        ------
        MissingJoinKeyError, CorruptRowError, UnknownSchemaError, RedisUnreachableError
        """
        wanted, places = _distinct(self._redis_keys(keys))
        if self._client is None:
            raise TypeError("this PackedReader has no sync client; use read_async or pass client=")
        try:
            values = fetch(self._client, wanted)
            try:
                return self._answer(values, places)
            except UnknownSchemaError:
                self._book.learn(self._client.hgetall(self._book.key))
        except RedisError as error:
            raise RedisUnreachableError("the feature store", str(error)) from error
        return self._answer(values, places)

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> list[ViewRows]:
        """Return what `read` returns, without blocking the event loop while Redis works."""
        wanted, places = _distinct(self._redis_keys(keys))
        if self._async_client is None:
            raise TypeError("this PackedReader has no asyncio client; use read or pass async_client=")
        try:
            values = await fetch_async(self._async_client, wanted)
            try:
                return self._answer(values, places)
            except UnknownSchemaError:
                self._book.learn(await self._async_client.hgetall(self._book.key))
        except RedisError as error:
            raise RedisUnreachableError("the feature store", str(error)) from error
        return self._answer(values, places)

    def _redis_keys(self, keys: Mapping[str, Sequence[object]]) -> list[list[bytes | None]]:
        """Return the n Redis keys of each view; None where a join key is missing."""
        texts: dict[tuple[str, ...], list[bytes | None]] = {}
        found = []
        for plan in self._plans:
            if plan.request_keys not in texts:
                texts[plan.request_keys] = entity_texts(request_values(keys, plan.owner.view, plan.request_keys))
            found.append(prefixed(plan.prefix, texts[plan.request_keys]))
        return found

    def _answer(self, values: Sequence[bytes | None], places: "list[_Places]") -> list[ViewRows]:
        now = (self._clock.now() - _EPOCH) // _MICROSECOND
        return [
            self._rows(plan, place.keys, place.take(values), now)
            for plan, place in zip(self._plans, places, strict=True)
        ]

    def _rows(self, plan: _Plan, keys: Sequence[bytes | None], values: Sequence[bytes | None], now: int) -> ViewRows:
        batch = view_batch(self._book, plan.owner, values, keys)
        statuses = batch.row_statuses(now, plan.max_age)
        old = statuses == OUTSIDE_MAX_AGE
        hidden = old if not plan.report_only and old.any() else None
        columns = plan.picker.columns(batch, hidden)
        nulls = NullCells(batch, plan.picker.wanted)
        return ViewRows(columns, statuses, batch.event_times(), batch.created_times(), nulls)


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
        picker=ColumnPicker(wanted),
        max_age=request.ttl // _MICROSECOND if request.ttl else None,
        report_only=request.report_only,
    )


def field_type(kind: Any) -> FieldType:
    """Return the field type of a Feast value type, its number, or a `FieldType`."""
    return FieldType(getattr(kind, "value", kind))


def prefixed(prefix: bytes, texts: Sequence[bytes | None]) -> list[bytes | None]:
    """Return the Redis keys of entities in one view; None where the entity is unknown."""
    if None in texts:
        return [None if text is None else prefix + text for text in texts]
    return [prefix + text for text in texts]  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class _Places:
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


def _distinct(views: Sequence[list[bytes | None]]) -> tuple[list[bytes], list[_Places]]:
    """Return each key once, and how every view finds its values again."""
    wanted: list[bytes] = []
    places = []
    for keys in views:
        start = len(wanted)
        unique = dict.fromkeys(keys)
        if len(unique) == len(keys) and None not in unique:
            wanted += keys  # type: ignore[arg-type]
            places.append(_Places(keys, start, None))
            continue
        unique.pop(None, None)
        order = {key: start + at for at, key in enumerate(unique)}
        wanted += unique  # type: ignore[arg-type]
        places.append(_Places(keys, start, [order.get(key, -1) for key in keys]))
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
