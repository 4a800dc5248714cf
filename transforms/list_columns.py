"""The items of a list column, end to end, with the row each belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.columns import Column, column_from_arrow, column_from_objects


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """All items of n lists.

    Parameters
    ----------
    items
        The items, missing ones among them.
    row
        For each item the row of its list.
    position
        For each item its place in its list, from 0.
    lengths
        (n,) lengths; 0 for missing lists.
    """

    items: Column
    row: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def items_of(column: Column) -> Items:
    """Return the items of a list column."""
    if isinstance(column.values, pa.Array):
        flat = column_from_arrow("items", column.values.flatten(), column.type.element)
        lengths = np.asarray(column.values.value_lengths().fill_null(0)).astype(np.int64)
    else:
        lists = [value or [] for value in column.values.tolist()]
        flat = column_from_objects("items", [item for value in lists for item in value], column.type.element)
        lengths = np.array([len(value) for value in lists], dtype=np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Items(flat, row, position, lengths)
