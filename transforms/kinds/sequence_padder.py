"""Kind `sequence_padder/1`: lists of numbers to rows of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import (
    Arrays,
    Fields,
    FittedKind,
    Floats,
    Form,
    Kind,
    require_choice,
    require_finite,
    require_integer,
)
from likewise.transforms.list_columns import items_of
from likewise.transforms.logical_types import LogicalType


@dataclass(frozen=True, slots=True)
class SequencePadder(Kind):
    """The first (or last) `length` numbers of a list, filled up at the end, in columns `NAME_0`, `NAME_1` ...

    Learns nothing. A missing or empty list gives the padding value throughout, or (missing) an
    error. Missing items stay missing. Longer lists are cut and counted as out of range.

    Parameters
    ----------
    length
        How many numbers a row gets.
    value
        The padding value.
    keep
        Which end of a longer list is kept: "first" or "last".
    missing
        "pad" or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(SequencePadder(3), LogicalType.LIST_NUMBER, [[1.0]])
    >>> fitted.apply((column_from_values("x", [[5.0, 6.0], [1.0, 2.0, 3.0, 4.0]], LogicalType.LIST_NUMBER),), None).T
    array([[5., 6., 0.],
           [1., 2., 3.]])
    """

    id: ClassVar[str] = "sequence_padder/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.LIST_NUMBER, LogicalType.LIST_BOOLEAN})

    length: int
    value: float = 0.0
    keep: Literal["first", "last"] = "first"
    missing: Literal["pad", "error"] = "pad"

    def __post_init__(self) -> None:
        require_integer("SequencePadder", "length", self.length, 1, 65_536)
        require_finite("SequencePadder", "value", self.value)
        require_choice("SequencePadder", "keep", self.keep, ("first", "last"))
        require_choice("SequencePadder", "missing", self.missing, ("pad", "error"))

    def columns_asked(self, given: Fields) -> int:
        """Return how many columns it makes."""
        return len(given) * self.length

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedSequencePadder:  # noqa: ARG002
        """Return the transformer."""
        return FittedSequencePadder(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedSequencePadder(FittedKind):
    """A `SequencePadder` over given fields."""

    kind: SequencePadder
    fields: Fields

    def outputs(self) -> Fields:
        """Return `length` number fields an input."""
        return tuple(f.renamed(f"{f.name}_{at}") for f in self.fields for at in range(self.kind.length))

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (k * length, n) numbers."""
        length = self.kind.length
        result = np.full((len(values), length, len(values[0])), float(self.kind.value))
        for out, field, column in zip(result, self.fields, values, strict=True):
            lists = items_of(column)
            if self.kind.missing == "error" and bool(column.is_missing().any()):
                raise MissingValueError(field.source, "SequencePadder")
            too_long = int(np.count_nonzero(lists.lengths > length))
            if tally is not None and too_long:
                tally.add(field.source, "out_of_range", too_long)
            at = lists.position
            if self.kind.keep == "last":
                at = at - np.maximum(lists.lengths - length, 0)[lists.row]
            kept = (at >= 0) & (at < length)
            out[at[kept], lists.row[kept]] = lists.items.values[kept]
        return result.reshape(len(values) * length, len(values[0]))

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
