"""Which categories are too rare to stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.kind import require, require_integer


def require_limits(kind: str, min_frequency: object, max_categories: object) -> None:
    """Raise SettingError unless the limits of rarity make sense."""
    if isinstance(min_frequency, float):
        expected = "a share of rows between 0 and 1, or a count"
        require(0.0 < min_frequency < 1.0, kind, "min_frequency", expected, min_frequency)
    elif min_frequency is not None:
        require_integer(kind, "min_frequency", min_frequency, 1, 2**62)
    if max_categories is not None:
        require_integer(kind, "max_categories", max_categories, 1, 2**31)


def infrequent(
    counts: Sequence[int], rows: int, min_frequency: Any, max_categories: int | None
) -> npt.NDArray[np.bool_]:
    """Return which categories are infrequent, by their counts in ascending order of category.

    As scikit-learn: rarer than the minimum; then, if still more than `max_categories` (the group of
    infrequent ones counted as one), the rarest, of equally rare ones the first in order.
    """
    counted = np.array(counts, dtype=np.int64).reshape(len(counts))
    rare = np.zeros(len(counted), np.bool_)
    if isinstance(min_frequency, float):
        least = Fraction(min_frequency) * rows
        rare = np.array([count < least for count in counts], dtype=np.bool_).reshape(len(counts))
    elif min_frequency is not None:
        rare = counted < min_frequency
    if max_categories is not None and len(counted) - int(rare.sum()) + bool(rare.any()) > max_categories:
        frequent = max_categories - 1
        by_count = np.argsort(counted, kind="stable")
        rare[by_count[: len(counted) - frequent]] = True
    return rare
