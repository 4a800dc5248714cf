"""Kind `normalizer/1`: scale each row to length 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.counters import Counters
from likewise.transforms.kind import NUMERIC, Arrays, Fields, FittedKind, Floats, Form, Kind, require_choice
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing


@dataclass(frozen=True, slots=True)
class Normalizer(Kind):
    """Each row divided by its norm over the columns: sum of |x|, root of the sum of squares, or largest |x|.

    Learns nothing. Rows of zeros stay zeros. Missing values: the row's norm is unknown, so all of
    its columns become missing, or an error. Infinities: the row becomes missing. The sum runs over
    the columns in their order, so its bits are the same everywhere; values are scaled by the
    largest first, so squares of 1e300 or 1e-300 do no harm.

    Parameters
    ----------
    norm
        "l1", "l2" or "max".
    missing
        "keep" or "error".

    Examples
    --------
    >>> import numpy as np
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(Normalizer(), [0.0]).apply(np.array([[3.0, 0.0], [4.0, 0.0]]), None)
    array([[0.6, 0. ],
           [0.8, 0. ]])
    """

    id: ClassVar[str] = "normalizer/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    norm: Literal["l1", "l2", "max"] = "l2"
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_choice("Normalizer", "norm", self.norm, ("l1", "l2", "max"))
        require_choice("Normalizer", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedNormalizer:  # noqa: ARG002
        """Return the transformer."""
        return FittedNormalizer(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedNormalizer(FittedKind):
    """A `Normalizer` over given fields."""

    kind: Normalizer
    fields: Fields

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (k, n) numbers, each row of length 1."""
        check_missing(values, self.fields, "Normalizer", self.kind.missing)
        size = np.abs(values)
        largest = size[0]
        for row in size[1:]:
            largest = np.maximum(largest, row)  # NaN wins, so a row with a missing value is missing
        with np.errstate(invalid="ignore"):
            scaled = values / np.where(largest == 0.0, 1.0, largest)
            return scaled if self.kind.norm == "max" else scaled / self._length(scaled)

    def _length(self, scaled: Floats) -> Floats:
        total = np.zeros(scaled.shape[1])
        for row in scaled:  # one after the other: numpy's own sums may add in another order by CPU
            total = total + (np.abs(row) if self.kind.norm == "l1" else row * row)
        length = total if self.kind.norm == "l1" else np.sqrt(total)
        return np.where(length == 0.0, 1.0, length)

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
