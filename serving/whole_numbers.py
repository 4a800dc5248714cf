"""Numbers of features that are declared to be whole. Code of an on-demand view may return others all the same."""

from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import EXACT_INTEGER, Column, beyond_floats

_BEYOND_INT64 = 2.0**63


def whole_numbers(column: Column) -> npt.NDArray[np.int64] | None:
    """Return (n,) integers, 0 where missing; None if one value is a fraction, infinite or beyond 64 bits.

    Feast checks the type of what on-demand code returns once, at `feast apply`, with one made-up row. Offline it keeps
    whatever comes later (1.5 stays 1.5, and to that a transform is fitted), online it cuts it to a whole number. Here
    both sides see what the code returned, so what is not whole must not be written as if it were.
    """
    values: npt.NDArray[Any] = column.values
    missing = np.isnan(values)
    if missing.any():
        values = np.where(missing, 0.0, values)
    far = None
    if column.integers is not None:
        far = beyond_floats(column.integers)
        values = np.where(far, 0.0, values)
        if (np.abs(values) > EXACT_INTEGER).any():  # a float beside: the integers hold 0 for it
            return None
    if not ((values == np.rint(values)) & (np.abs(values) < _BEYOND_INT64)).all():
        return None
    whole = values.astype(np.int64)
    return whole if far is None or column.integers is None else np.where(far, column.integers, whole)
