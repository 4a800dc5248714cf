"""The columns of a few Python rows; those of text are built only for a kind that asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import overload

import numpy as np

from likewise.transforms.columns import Column
from likewise.transforms.logical_types import LogicalType


class RowColumns(Sequence[Column]):
    """The columns of a plan, from values that were checked already.

    Building ten columns costs as much as looking their values up, so kinds that look plain values up
    are given those.

    Parameters
    ----------
    texts
        Text or None: the n values of the first text column, then those of the next.
    places
        Place of each of the plan's columns among the text columns; -1 for those of other types.
    others
        The columns of other types, by their place in the plan.
    n
        Rows.
    """

    __slots__ = ("_others", "_places", "_texts", "n")

    def __init__(self, texts: Sequence[object], places: Sequence[int], others: Mapping[int, Column], n: int) -> None:
        self._texts, self._places, self._others, self.n = texts, places, others, n

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Column: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Column]: ...

    def __getitem__(self, at: int | slice) -> Column | Sequence[Column]:
        if isinstance(at, slice):
            return [self[place] for place in range(len(self))[at]]
        place = self._places[at]
        if place < 0:
            return self._others[at]
        held = np.empty(self.n, dtype=object)
        held[:] = self._texts[place * self.n : (place + 1) * self.n]
        absent = np.array([value is None for value in held.tolist()])
        return Column(LogicalType.TEXT, held, absent if bool(absent.any()) else None)

    def texts(self, columns: Sequence[int]) -> list[object]:
        """Return the n plain values of each of these text columns, one column after the other."""
        texts, places, n = self._texts, self._places, self.n
        if n == 1:
            return [texts[places[at]] for at in columns]
        return [value for at in columns for value in texts[places[at] * n : (places[at] + 1) * n]]

    def with_missing(self) -> Iterable[int]:
        """Return the places of columns that may hold missing values."""
        return range(len(self)) if None in self._texts else self._others
