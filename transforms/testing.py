"""The promises of a kind as checks that run over any kind, ours or another package's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.transforms.columns import column_from_values
from likewise.transforms.kind import Field, FittedKind, Kind
from likewise.transforms.logical_types import LogicalType


def fit_values(kind: Kind, logical: LogicalType, values: Sequence[object]) -> FittedKind:
    """Return a kind fitted on one column `x` of Python values."""
    fields = (Field("x", logical, "x"),)
    fitter = kind.fitter(fields)
    if fitter is None:
        return kind.restore(fields, {})
    column = column_from_values("x", values, logical)
    while True:
        fitter.update(np.array([column.values]) if kind.takes_numbers(fields) else (column,))
        if not fitter.end_pass():
            return fitter.finish()


def fit_numbers(kind: Kind, values: Sequence[object]) -> FittedKind:
    """Return a kind fitted on one number column `x`."""
    return fit_values(kind, LogicalType.NUMBER, values)
