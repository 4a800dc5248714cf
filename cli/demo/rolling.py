"""Rolling counts and sums over what was known, exact: integers, prefix sums and binary search."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from likewise.cli.demo.local_time import Minutes

Integers = npt.NDArray[np.int64]

# Room for one entity on the line of composite keys: 8,000 years of minutes, so that entities never meet.
SPAN = 1 << 32


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Facts sorted by entity and by the minute they became known, with prefix sums of their amounts.

    Attributes
    ----------
    keys
        (m,) entity * SPAN + minute, ascending.
    sums
        Amount -> (m + 1,) int64 prefix sums.
    """

    keys: Integers
    sums: Mapping[str, Integers]

    @classmethod
    def of(cls, entity: Integers, known: Minutes, amounts: Mapping[str, Integers]) -> "Knowledge":
        """Sort m facts; `known` is in minutes since 1970 UTC, amounts are int64."""
        keys = entity * SPAN + known
        order = np.argsort(keys, kind="stable")
        sums = {name: np.concatenate([[0], np.cumsum(values[order])]) for name, values in amounts.items()}
        return cls(keys[order], sums)

    def place(self, entity: Integers, instant: Minutes) -> Integers:
        """Return how many facts of the entities before, and of this one by the instant, there are."""
        return np.searchsorted(self.keys, entity * SPAN + instant, side="right")

    def within(self, entity: Integers, instant: Minutes, minutes: int) -> dict[str, Integers]:
        """Return each amount summed over facts that became known in (instant - minutes, instant]."""
        last, first = self.place(entity, instant), self.place(entity, instant - minutes)
        return {name: sums[last] - sums[first] for name, sums in self.sums.items()}


def ratio(total: Integers, count: Integers) -> npt.NDArray[np.float64]:
    """Return total / count, NaN where the count is 0; the division is the only rounding."""
    quotient: npt.NDArray[np.float64] = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return quotient
