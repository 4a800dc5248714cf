"""Columns of several requests end to end."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.transforms.columns import EXACT_INTEGER, Column, column_from_arrow


def joined(columns: Sequence[Column]) -> Column:
    """Return columns of one type end to end."""
    if len(columns) == 1:
        return columns[0]
    kind = columns[0].type
    if any(isinstance(column.values, pa.Array) for column in columns):
        to = kind.to_arrow()
        arrays = [array if (array := column.arrow()).type == to else array.cast(to) for column in columns]
        return column_from_arrow("joined", pa.concat_arrays(arrays), kind)
    values = np.concatenate([column.values for column in columns])
    missing = None
    if any(column.missing is not None for column in columns):
        missing = np.concatenate([column.is_missing() for column in columns])
    integers = None
    if any(column.integers is not None for column in columns):
        integers = np.concatenate([_integers(column) for column in columns])
    return Column(kind, values, missing, integers)


def _integers(column: Column) -> np.ndarray[Any, Any]:
    if column.integers is not None:
        return column.integers
    # 0 for floats beyond 2**53, as in a column of its own: an integer of that value has another text.
    near = np.abs(column.values) <= EXACT_INTEGER
    return np.where(near, column.values, 0.0).astype(np.int64)
