"""Reads features online: one round trip to the store, then on-demand views, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from likewise.serving.entity_rows import EVENT_TIMESTAMP, EntityRows
from likewise.serving.on_demand import Input, OnDemandView
from likewise.serving.plan import FeaturePlan, Field, StoredView
from likewise.serving.served_columns import ServedColumns, ServedPlaces
from likewise.stores.clock import Clock
from likewise.stores.packed_answer import ReadAnswer
from likewise.transforms.columns import Column, LogicalType, column_from_values

ENTITYLESS_KEY = "__dummy_id"  # Feast's name for the key of views without an entity; its value is empty
PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = 1, 2, 3, 4
NO_TIME = np.iinfo(np.int64).min
STATUS_NAMES = ("INVALID", "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE")

Statuses = npt.NDArray[np.uint8]
Times = npt.NDArray[np.int64]


class StoredRows(Protocol):
    """What the store said of one view: `likewise.stores.packed_read.ViewRows` is one."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """Feature -> column of n values; missing where the row is not found or too old."""
        ...

    @property
    def statuses(self) -> Statuses:
        """(n,) PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE."""
        ...

    @property
    def event_times(self) -> Times:
        """(n,) int64, microseconds since 1970 UTC; below 0 where no row was found."""
        ...


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Stored rows that are simply held in memory."""

    columns: Mapping[str, Column]
    statuses: Statuses
    event_times: Times


class ViewStore(Protocol):
    """Port to the online store: all views of a plan in one round trip."""

    def read(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return one answer per stored view of the plan, in its order; keys by their names in the request."""
        ...

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return the same without blocking the event loop."""
        ...


@dataclass(frozen=True)
class FeatureRows:
    """Everything known of n rows, worked out as far as somebody asks.

    Attributes
    ----------
    plan
        What was read and computed.
    given
        What the caller sent.
    answer
        The store's answer, view by view in the plan's order.
    on_demand
        The computed views of the plan.
    now_microseconds
        The clock's time of this read.
    served_from
        Where each served feature lies among all that are read, view by view; None where that is not known or some
        are computed.
    """

    plan: FeaturePlan
    given: EntityRows
    answer: Sequence[StoredRows]
    on_demand: tuple[OnDemandView, ...]
    now_microseconds: int
    served_from: ServedPlaces | None = None

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return self.given.n

    @cached_property
    def stored(self) -> Mapping[str, StoredRows]:
        """Return the store's answer by view."""
        return {view.name: rows for view, rows in zip(self.plan.stored, self.answer, strict=True)}

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Return join keys, request data, `event_timestamp` and served features, by their names in the plan.

        Raises
        ------
        OnDemandViewError
            The code of an on-demand view failed on these values.
        """
        columns = dict(self._sent)
        if self.served_from is not None and isinstance(self.answer, ReadAnswer):
            read = self.answer.columns  # all views in one list: a mapping for each took as long as decoding
            columns.update({name: read[place] for name, place in self.served_from.places.items()})
            return columns
        found = {view: rows.columns for view, rows in self.stored.items()}
        if self.on_demand:
            found |= self._compute(columns, found)
        for item in self.plan.served:
            columns[item.column] = found[item.view][item.field.name]
        return columns

    @cached_property
    def _sent(self) -> Mapping[str, Column]:
        columns: dict[str, Column] = {field.name: _key_column(field, self.given) for field in self.plan.join_keys}
        columns |= self.given.request
        if EVENT_TIMESTAMP not in columns:
            columns[EVENT_TIMESTAMP] = Column(LogicalType.TIME, np.full(self.n, self.now_microseconds, np.int64))
        return columns

    @property
    def inputs(self) -> Mapping[str, Column]:
        """Return `columns`, in the form that takes a transform least time; nothing is made before it is read."""
        if self.served_from is not None and isinstance(self.answer, ReadAnswer):
            return ServedColumns(lambda: self._sent, self.answer, self.served_from)
        return self.columns

    def _compute(
        self, columns: Mapping[str, Column], stored: Mapping[str, Mapping[str, Column]]
    ) -> dict[str, Mapping[str, Column]]:
        given = {
            one.name: Input(columns[one.name], one.feast_type)
            for one in (*self.plan.join_keys, *self.plan.request_fields)
        }
        read: dict[str, tuple[str, Input]] = {}
        for view in self.plan.stored:
            for one in view.fields:
                cell = Input(stored[view.name][one.name], one.feast_type)
                read[f"{view.name}__{one.name}"] = (one.name, cell)
        return {view.plan.name: view.compute(_inputs(view, given, read), self.n) for view in self.on_demand}

    def portion(self, given: EntityRows, answer: Sequence[StoredRows]) -> "FeatureRows":
        """Return some of the rows as one request sent them, at the same time by the clock."""
        return FeatureRows(self.plan, given, answer, self.on_demand, self.now_microseconds, self.served_from)

    def apart(self) -> "FeatureRows":
        """Return the same without the rows of others that were read with these."""
        if not isinstance(self.answer, ReadAnswer) or self.answer.part_of is None:
            return self
        held = [HeldRows(view.columns, view.statuses.copy(), view.event_times.copy()) for view in self.answer]
        return self.portion(self.given, held)

    def statuses(self, view: str, column: str) -> Statuses:
        """Return (n,) statuses of one served column."""
        missing = self.columns[column].is_missing()
        stored = self.stored.get(view)
        if stored is None:
            return np.where(missing, NULL_VALUE, PRESENT).astype(np.uint8)
        present = stored.statuses == PRESENT
        return np.where(present & missing, NULL_VALUE, stored.statuses).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class OnlineReader:
    """A plan bound to a store: rows in, columns out.

    Attributes
    ----------
    plan
        What to read and compute.
    store
        Where stored views are read, all in one round trip.
    on_demand
        The computed views of the plan, in its order.
    clock
        Says what time it is (`event_timestamp` of rows that bring none).
    """

    plan: FeaturePlan
    store: ViewStore
    on_demand: tuple[OnDemandView, ...]
    clock: Clock
    served_from: ServedPlaces | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "served_from", _served_from(self.plan))

    @property
    def runs_code(self) -> bool:
        """Whether an answer runs code of on-demand views, which belongs off the event loop."""
        return bool(self.on_demand)

    def read(self, rows: EntityRows) -> FeatureRows:
        """Return the features of n rows, by the calling thread."""
        return self.assemble(rows, self.store.read(_keys(rows)) if self.plan.stored else ())

    async def fetch(self, rows: EntityRows) -> Sequence[StoredRows]:
        """Return what the store holds of n rows, one answer per stored view; `assemble` makes features of it."""
        return await self.store.read_async(_keys(rows)) if self.plan.stored else ()

    def absent(self, rows: EntityRows) -> Sequence[StoredRows]:
        """Return the answer of a store that knows none of n rows (`on_trouble=defaults`)."""
        return tuple(absent_rows(view, rows.n) for view in self.plan.stored)

    def assemble(self, rows: EntityRows, stored: Sequence[StoredRows]) -> FeatureRows:
        """Return the features of n rows from the store's answers."""
        now = round(self.clock.now().timestamp() * 1_000_000)
        return FeatureRows(self.plan, rows, stored, self.on_demand, now, self.served_from)


def _keys(rows: EntityRows) -> Mapping[str, Sequence[object]]:
    """Return the join keys of n rows; where there are none, what says how many rows there are."""
    return rows.keys or {ENTITYLESS_KEY: [""] * rows.n}


def _served_from(plan: FeaturePlan) -> ServedPlaces | None:
    places = {
        place: at for at, place in enumerate((view.name, one.name) for view in plan.stored for one in view.fields)
    }
    if any((item.view, item.field.name) not in places for item in plan.served):
        return None
    return ServedPlaces({item.column: places[item.view, item.field.name] for item in plan.served})


def absent_rows(view: StoredView, n: int) -> StoredRows:
    """Return the answer of a store that holds none of n rows."""
    columns = {field.name: absent_column(field, n) for field in view.fields}
    return HeldRows(columns, np.full(n, NOT_FOUND, np.uint8), np.full(n, NO_TIME))


def absent_column(field: Field, n: int) -> Column:
    """Return n missing values."""
    if field.type.is_numeric:
        return Column(field.type, np.full(n, np.nan))
    if field.type is LogicalType.TIME:
        return Column(field.type, np.zeros(n, np.int64), np.ones(n, np.bool_))
    return Column(field.type, np.full(n, None, dtype=object), np.ones(n, np.bool_))


def _key_column(field: Field, rows: EntityRows) -> Column:
    values: Sequence[object] = rows.keys[field.name]
    if field.type is LogicalType.TIME:  # such keys are whole seconds
        values = [None if value is None else datetime.fromtimestamp(value, UTC) for value in values]  # type: ignore[arg-type]
    return column_from_values(field.name, values, field.type)


def _inputs(view: OnDemandView, given: Mapping[str, Input], read: Mapping[str, tuple[str, Input]]) -> dict[str, Input]:
    """Return what a view's code sees: keys and request data, and its sources' features by short and by full name."""
    inputs = dict(given)
    for name in view.plan.inputs:
        if name in read:
            short, cell = read[name]
            inputs[short] = inputs[name] = cell
    return inputs
