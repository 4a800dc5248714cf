"""Looking categories up: values of a column to their place in a sorted list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from likewise.transforms.category_counts import Category
from likewise.transforms.columns import Column
from likewise.transforms.logical_types import LogicalType

Places: npt.NDArray[np.int32]
MISSING = -1
UNSEEN = -2
# Below this many values a dict is quicker than building an index for one call (measured 2026-11).
_FEW = 64


class Vocabulary:
    """An immutable index of distinct categories of one logical type.

    Whether few values are looked up one by one or many at once, the place found is the same: it is
    defined by equality alone.

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> vocabulary = Vocabulary(LogicalType.TEXT, ["AA", "UA"])
    >>> vocabulary.places(column_from_values("carrier", ["UA", None, "??"], LogicalType.TEXT)).tolist()
    [1, -1, -2]
    """

    __slots__ = ("_index", "_numbers", "_order", "_set", "type", "values")

    def __init__(self, logical: LogicalType, values: Sequence[Category]) -> None:
        self.type = logical
        self.values = tuple(values)
        # None leads to MISSING, so that one dict answers for all of a small column.
        self._index: dict[Any, int] = {value: place for place, value in enumerate(values)}
        self._index[None] = MISSING
        self._set: pa.Array | None = None
        self._numbers: npt.NDArray[Any] | None = None
        if logical in (LogicalType.TEXT, LogicalType.BYTES):
            self._set = pa.array(self.values, type=logical.to_arrow())
        elif not any(isinstance(v, int) and abs(v) > 2**53 for v in values) or logical is LogicalType.TIME:
            numbers = np.array(values, dtype=np.int64 if logical is LogicalType.TIME else np.float64)
            self._order = np.argsort(numbers)
            self._numbers = numbers[self._order]

    def __len__(self) -> int:
        return len(self.values)

    def places(self, column: Column) -> npt.NDArray[np.int32]:
        """Return (n,) int32 places; MISSING and UNSEEN are negative."""
        values = column.values
        if isinstance(values, pa.Array):
            return self._places_in_arrow(values)
        if len(values) <= _FEW or (values.dtype != object and not self._is_sortable(column)):
            return self._places_one_by_one(column)
        if values.dtype != object:
            return self._places_of_numbers(column)
        try:
            array = column.arrow()
        except UnicodeEncodeError:  # half a surrogate pair, as JSON can spell it, is none of Arrow's texts
            return self._places_one_by_one(column)
        return self._places_in_arrow(array)

    def _places_one_by_one(self, column: Column) -> npt.NDArray[np.int32]:
        get = self._index.get
        return np.array([get(v, UNSEEN) for v in column.objects()], dtype=np.int32)

    def _is_sortable(self, column: Column) -> bool:
        return column.integers is None and self._numbers is not None

    def _places_in_arrow(self, values: pa.Array) -> npt.NDArray[np.int32]:
        if pa.types.is_dictionary(values.type):
            of_entry = self._places_in_arrow(values.dictionary)
            taken = values.indices
            if taken.null_count:
                places = of_entry[np.asarray(taken.fill_null(0))] if len(of_entry) else np.zeros(len(taken), np.int32)
                return np.where(np.asarray(taken.is_null()), np.int32(MISSING), places)
            found: npt.NDArray[np.int32] = of_entry[np.asarray(taken)]
            return found
        if self._set is None or self._set.type != values.type:
            values = values.cast(self.type.to_arrow())
        places = pc.index_in(values, value_set=self._set)
        absent = places.null_count
        codes = np.asarray(places.fill_null(UNSEEN)) if absent else np.asarray(places)
        if absent and values.null_count:
            codes = np.where(np.asarray(values.is_null()), np.int32(MISSING), codes)
        return codes.astype(np.int32, copy=False)

    def _places_of_numbers(self, column: Column) -> npt.NDArray[np.int32]:
        numbers: Any = self._numbers
        if not len(numbers):
            return np.where(column.is_missing(), np.int32(MISSING), np.int32(UNSEEN))
        at = np.searchsorted(numbers, column.values).clip(max=len(numbers) - 1)
        places = np.where(numbers[at] == column.values, self._order[at], UNSEEN).astype(np.int32)
        missing = column.is_missing()
        places[missing] = MISSING
        return places
