"""Counting finite values whose result is beyond the largest float32: they become infinities, never silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import Floats, Values


class Overflow:
    """Notes that numpy saw an overflow; free until there is one.

    Examples
    --------
    >>> overflow = Overflow()
    >>> with np.errstate(over="call", call=overflow):
    ...     _ = np.array([1e300]).astype(np.float32)
    >>> overflow.seen
    True
    """

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = False

    def __call__(self, *_: object) -> None:
        """Take the note; numpy calls it."""
        self.seen = True


@dataclass(frozen=True, slots=True)
class OverflowCount:
    """Which columns the results of a chain of steps are counted under.

    Parameters
    ----------
    inputs
        The k input columns.
    sources
        The input column behind each of the d results.
    is_elementwise
        Whether each result depends on its source alone.
    """

    inputs: tuple[str, ...]
    sources: tuple[str, ...]
    is_elementwise: bool

    def add(self, given: Values, results: Floats, tally: Counters) -> None:
        """Count infinite results that no infinite input explains, which was counted when it came in.

        Parameters
        ----------
        given
            The chain's inputs: (k, n) numbers, or k columns.
        results
            (d, n) float64.
        """
        with np.errstate(over="ignore"):
            infinite = np.isinf(results.astype(np.float32))
        if not bool(infinite.any()):
            return
        explained = dict(zip(self.inputs, _infinite(given), strict=True))
        anywhere = np.logical_or.reduce(list(explained.values()))
        for source, row in zip(self.sources, infinite, strict=True):
            known = explained[source] if self.is_elementwise else anywhere
            count = int(np.count_nonzero(row & ~known))
            if count:
                tally.add(source, "out_of_range", count)


def _infinite(given: Values) -> Sequence[npt.NDArray[np.bool_]]:
    if isinstance(given, tuple):
        return [_infinite_in(column) for column in given]
    return [np.isinf(row) for row in given]


def _infinite_in(column: Column) -> npt.NDArray[np.bool_]:
    values: Any = column.values
    return np.isinf(values) if column.type.is_numeric else np.zeros(len(column), np.bool_)
