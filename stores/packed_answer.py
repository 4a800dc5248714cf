"""What a read answered: statuses, times and values of all its views, worked out only as far as somebody asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_blocks import Block, Group, groups_of, scattered
from likewise.stores.packed_columns import block_columns, block_numbers, is_number, logical_type
from likewise.stores.packed_encode import Bits, Times
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_fetch import NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, row_statuses
from likewise.stores.packed_parts import Found
from likewise.transforms.columns import Column, LogicalType

T = TypeVar("T")
Statuses = npt.NDArray[np.uint8]
# Microseconds, 146,000 years; no time of a row is as old, and subtracting it overflows nothing.
_FOR_EVER = 2**62


@dataclass(frozen=True, slots=True)
class NumberLine:
    """Which line of `ReadAnswer.numbers` a feature is, and as what transforms see it."""

    at: int
    type: LogicalType


class Asked:
    """The views of a request, as far as they decide its answers.

    Parameters
    ----------
    wanted
        The features of each view.
    max_ages
        Each view's time to live, microseconds; None: for ever.
    report_only
        Whether rows past their time to live keep their values, view by view.
    """

    def __init__(
        self, wanted: Sequence[Sequence[Wanted]], max_ages: Sequence[int | None], report_only: Sequence[bool]
    ) -> None:
        self.wanted = tuple(tuple(some) for some in wanted)
        self.firsts = tuple(accumulate(map(len, self.wanted), initial=0))
        self.groups: tuple[Group, ...] = groups_of(one.type for some in self.wanted for one in some)
        numeric = [(place, group.type) for group in self.groups if is_number(group.type) for place in group.places]
        self.number_lines = {place: NumberLine(at, logical_type("", kind)) for at, (place, kind) in enumerate(numeric)}
        self.group_of = {
            place: (at, line) for at, one in enumerate(self.groups) for line, place in enumerate(one.places)
        }
        self._max_ages = np.array([age or _FOR_EVER for age in max_ages], np.int64)
        self.hides = ~np.array(report_only, np.bool_)

    def oldest(self, now: int) -> Times:
        """Return (m,) the earliest event time that is inside each view's time to live."""
        return now - self._max_ages


@dataclass(frozen=True)
class ReadAnswer(Sequence["ViewRows"]):
    """The answer to n keys of m views; as a sequence, the views' rows in the order asked.

    Parameters
    ----------
    event_times
        (n, m) int64 microseconds since 1970 UTC; the smallest int64 where unknown.
    statuses
        (n, m) uint8: PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE of each row.
    part_of
        The answer of which these are some rows; None: it stands for itself.
    """

    asked: Asked
    found: Found
    event_times: Times
    statuses: Statuses
    part_of: "Portion | None" = None

    def __len__(self) -> int:
        return len(self.asked.wanted)

    @overload
    def __getitem__(self, at: int) -> "ViewRows": ...
    @overload
    def __getitem__(self, at: slice) -> Sequence["ViewRows"]: ...
    def __getitem__(self, at: int | slice) -> "ViewRows | Sequence[ViewRows]":
        # Not kept: views that hold their answer, held by it, are a cycle, and so is all that was read with them.
        views = range(len(self))[at]
        return ViewRows(self, views) if isinstance(views, int) else [ViewRows(self, view) for view in views]

    @property
    def n(self) -> int:
        """Return the number of keys."""
        return len(self.statuses)

    def rows(self, start: int, end: int) -> "ReadAnswer":
        """Return the answer to some of the keys; what is worked out for one portion serves the others."""
        if start == 0 and end == self.n:
            return self
        portion = Portion(self, slice(start, end))
        return ReadAnswer(self.asked, self.found, self.event_times[start:end], self.statuses[start:end], portion)

    def once(self, make: "Callable[[ReadAnswer], T]") -> T:
        """Return what `make` makes of this answer, made once."""
        made = self._made.get(make)
        if made is None:
            made = self._made[make] = make(self)
        return made

    @cached_property
    def _made(self) -> dict[object, Any]:
        return {}

    @cached_property
    def is_all_present(self) -> bool:
        """Whether every row of every view is there and young enough."""
        codes = self.statuses.tobytes()
        return codes.count(PRESENT) == len(codes)

    @cached_property
    def created_times(self) -> Times:
        """Return (n, m) int64 microseconds since 1970 UTC; the smallest int64 where unknown."""
        if self.part_of is not None:
            return self.part_of.whole.created_times[self.part_of.rows]
        return spread(self.found, [part.rows.created_times for part in self.found.parts], self.event_times)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Return the values of all features, one block for each of `asked.groups`."""
        if self.part_of is not None:
            return tuple([block.rows(self.part_of.rows) for block in self.part_of.whole.blocks])
        hidden = None
        if OUTSIDE_MAX_AGE in self.statuses.tobytes():
            hidden = (self.statuses == OUTSIDE_MAX_AGE) & self.asked.hides
        parts = self.found.parts
        if parts[0].places is None:
            return parts[0].picker.blocks(parts[0].rows, hidden)
        return scattered(
            self.found.n,
            [
                (part.places, part.picker.blocks(part.rows, None if hidden is None else hidden[part.places]))
                for part in parts
                if part.places is not None
            ],
        )

    @cached_property
    def columns(self) -> Sequence[Column]:
        """Return a column of n values for each feature, view by view in the order asked."""
        return [self.column(place) for place in range(len(self.asked.group_of))]

    def column(self, place: int) -> Column:
        """Return the column of one feature; those of its declared type are made with it."""
        group, line = self.asked.group_of[place]
        made = self._columns_by_group.get(group)
        if made is None:
            made = self._columns_by_group[group] = block_columns(self.blocks[group])
        return made[line]

    @cached_property
    def _columns_by_group(self) -> dict[int, list[Column]]:
        return {}

    @cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """Return the numbers of all features that are some, (k, n), as `asked.number_lines` orders them."""
        if self.part_of is not None:
            return self.part_of.whole.numbers[:, self.part_of.rows]
        numbers = [block_numbers(block) for block in self.blocks if is_number(block.type)]
        return np.concatenate(numbers) if numbers else np.empty((0, self.n))

    @cached_property
    def nulls(self) -> Bits:
        """Return which cells are null in the store or not there at all, (n, f) bool."""
        if self.part_of is not None:
            return self.part_of.whole.nulls[self.part_of.rows]
        nulls = np.zeros((self.found.n, self.asked.firsts[-1]), np.bool_)
        for part in self.found.parts:
            found = part.picker.nulls(part.rows)
            nulls[slice(None) if part.places is None else part.places] = False if found is None else found
        return nulls


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of the keys of an answer."""

    whole: ReadAnswer
    rows: slice


def answer(asked: Asked, found: Found, now: int) -> ReadAnswer:
    """Return the answer that rows give at a time, microseconds since 1970 UTC."""
    parts = found.parts
    times = parts[0].rows.event_times
    if parts[0].places is not None:
        times = spread(found, [part.rows.event_times for part in parts], np.empty((found.n, times.shape[1]), np.int64))
    return ReadAnswer(asked, found, times, row_statuses(times, found.found, asked.oldest(now)))


def spread(found: Found, times: Sequence[Times], like: Times) -> Times:
    """Return (n, m) times from those of each part."""
    if found.parts[0].places is None:
        return times[0]
    whole = np.empty_like(like)
    for part, some in zip(found.parts, times, strict=True):
        whole[part.places] = some
    return whole


class ViewRows:
    """What one view answered for n keys."""

    __slots__ = ("_answer", "_view")

    def __init__(self, answer: ReadAnswer, view: int) -> None:
        self._answer, self._view = answer, view

    @property
    def columns(self) -> dict[str, Column]:
        """Return one column of n values for each feature, in the order asked.

        Values are missing where the row was not found, is too old, or has a null.
        """
        first = self._answer.asked.firsts[self._view]
        wanted, columns = self._answer.asked.wanted[self._view], self._answer.columns
        return {feature.name: columns[first + at] for at, feature in enumerate(wanted)}

    @property
    def statuses(self) -> Statuses:
        """Return (n,) uint8: PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE of each row."""
        return self._answer.statuses[:, self._view]

    @property
    def event_times(self) -> Times:
        """Return (n,) int64 microseconds since 1970 UTC; the smallest int64 where unknown."""
        return self._answer.event_times[:, self._view]

    @property
    def created_times(self) -> Times:
        """Return (n,) int64 microseconds since 1970 UTC; the smallest int64 where unknown."""
        return self._answer.created_times[:, self._view]

    def statuses_of(self, feature: str) -> Statuses:
        """Return Feast's status of each value of a feature, (n,) uint8; NULL_VALUE where a present row has a null."""
        names = [wanted.name for wanted in self._answer.asked.wanted[self._view]]
        nulls = self._answer.nulls[:, self._answer.asked.firsts[self._view] + names.index(feature)]
        statuses = self.statuses.copy()
        statuses[(statuses == PRESENT) & nulls] = NULL_VALUE
        return statuses

    def feature_statuses(self) -> Statuses:
        """Return the statuses of all values, (n, f) uint8, features in the order asked."""
        return np.stack([self.statuses_of(wanted.name) for wanted in self._answer.asked.wanted[self._view]], axis=1)
