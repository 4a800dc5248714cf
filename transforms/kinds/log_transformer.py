"""Kind `log_transformer/1`: logarithms, with a policy for numbers that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.special

from likewise.transforms.arithmetic import log, log1p
from likewise.transforms.counters import Counters
from likewise.transforms.errors import OutOfRangeError
from likewise.transforms.kind import NUMERIC, Arrays, Fields, FittedKind, Floats, Form, Kind, require_choice
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing, count_where


@dataclass(frozen=True, slots=True)
class LogTransformer(Kind):
    """log(1 + x), log(x), or sign(x) * log(1 + |x|).

    Learns nothing. Missing values: stay missing, or an error. Numbers without a logarithm (x <= -1
    for log1p, x <= 0 for log): counted as out of range and made missing, or an error; so no
    infinity is made. +inf stays +inf.

    Parameters
    ----------
    method
        "log1p", "log" or "signed_log1p".
    out_of_range
        "missing" or "error".
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(LogTransformer(), [0.0]).apply(np.array([[0.0, np.e - 1, -5.0]]), None)
    array([[ 0.,  1., nan]])
    """

    id: ClassVar[str] = "log_transformer/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    method: Literal["log1p", "log", "signed_log1p"] = "log1p"
    out_of_range: Literal["missing", "error"] = "missing"
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_choice("LogTransformer", "method", self.method, ("log1p", "log", "signed_log1p"))
        require_choice("LogTransformer", "out_of_range", self.out_of_range, ("missing", "error"))
        require_choice("LogTransformer", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedLogTransformer:  # noqa: ARG002
        """Return the transformer."""
        return FittedLogTransformer(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedLogTransformer(FittedKind):
    """A `LogTransformer` over given fields."""

    elementwise: ClassVar[bool] = True

    kind: LogTransformer
    fields: Fields

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:
        """Return (k, n) logarithms."""
        check_missing(values, self.fields, "LogTransformer", self.kind.missing)
        if self.kind.method == "signed_log1p":
            return np.copysign(log1p(np.abs(values)), values) + 0.0
        bound = -1.0 if self.kind.method == "log1p" else 0.0
        outside = values <= bound
        if bool(outside.any()):
            self._refuse(values, outside, bound)
            count_where(outside, self.fields, "out_of_range", tally)
            values = np.where(outside, np.nan, values)
        return log1p(values) if self.kind.method == "log1p" else log(values)

    def _refuse(self, values: Floats, outside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], bound: float) -> None:
        if self.kind.out_of_range == "error":
            at, row = np.argwhere(outside)[0].tolist()
            value = float(values[at, row])
            raise OutOfRangeError(self.fields[at].source, "LogTransformer", value, f"numbers above {bound}")

    def inverse(self, values: Floats) -> Floats:
        """Return exp(y) - 1, exp(y), or sign(y) * (exp(|y|) - 1)."""
        if self.kind.method == "log":
            return np.exp(values)
        if self.kind.method == "log1p":
            grown: Floats = scipy.special.expm1(values)
            return grown
        signed: Floats = np.copysign(scipy.special.expm1(np.abs(values)), values)
        return signed

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
