"""Compare columns, tensors and predictions bit by bit, and name the reason for each difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import Column, Columns

Bits = npt.NDArray[np.bool_]
Predictions = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the online store ought to hold of one view for n entity rows, by its declared cadence.

    Attributes
    ----------
    columns
        The view's features, missing where expired or absent.
    event_times
        (n,) event time of the expected row, microseconds since 1970 UTC; negative: no row.
    known
        What was known at the instant itself, which is what history must say; None: the same as `columns`.
    """

    columns: Columns
    event_times: npt.NDArray[np.int64]
    known: Columns | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that serving and training do not share.

    Attributes
    ----------
    reason
        `stale`: online holds exactly what its cadence allows, and history exactly what was known at the instant;
        `unexplained` otherwise.
    age_seconds
        Age of the online row at the instant; None where there is none.
    """

    instant: datetime
    row: int
    feature: str
    history: object
    online: object
    reason: Literal["stale", "unexplained"]
    age_seconds: float | None


def equal_values(left: Column, right: Column) -> Bits:
    """Return (n,) whether two columns hold the same values; missing equals missing, numbers by their bits."""
    if left.type.is_numeric and right.type.is_numeric and left.integers is None and right.integers is None:
        ours, theirs = np.asarray(left.values, np.float64), np.asarray(right.values, np.float64)
        both_missing = np.isnan(ours) & np.isnan(theirs)
        return np.asarray(both_missing | (ours.view(np.int64) == theirs.view(np.int64)))
    pairs = zip(left.objects(), right.objects(), strict=True)
    return np.fromiter((type(a) is type(b) and a == b for a, b in pairs), np.bool_, len(left))


def differences(
    instant: datetime, history: Columns, online: Columns, expected: Mapping[str, Expected]
) -> list[Difference]:
    """Return every value in which online and history differ, with its reason.

    Parameters
    ----------
    history, online
        The same features for the same n entity rows.
    expected
        For each feature of a stored view, what its cadence allows. A feature without an entry is computed at
        read time: it may only differ in a row in which a stored feature is stale.
    """
    found: list[Difference] = []
    stale = np.zeros(len(next(iter(history.values()))), np.bool_)
    for name in sorted(history, key=lambda name: name not in expected):
        differing = np.flatnonzero(~equal_values(history[name], online[name]))
        if len(differing) == 0:
            continue
        allowed = expected.get(name)
        explained = _explained(allowed, name, history[name], online[name]) if allowed else stale
        was, is_ = history[name].objects(), online[name].objects()
        for row in differing.tolist():
            reason: Literal["stale", "unexplained"] = "stale" if explained[row] else "unexplained"
            found.append(Difference(instant, row, name, was[row], is_[row], reason, _age(allowed, row, instant)))
        if allowed:
            stale[differing[explained[differing]]] = True
    return found


def _explained(allowed: Expected, name: str, history: Column, online: Column) -> Bits:
    """Return (n,) whether both sides are right by the sources: a history that sees the future is no staleness."""
    known = allowed.known if allowed.known is not None else allowed.columns
    return np.asarray(equal_values(allowed.columns[name], online) & equal_values(known[name], history))


def _age(expected: Expected | None, row: int, instant: datetime) -> float | None:
    if expected is None or expected.event_times[row] < 0:
        return None
    return instant.timestamp() - float(expected.event_times[row]) / 1e6


def differing_bits(left: Mapping[str, npt.NDArray[np.generic]], right: Mapping[str, npt.NDArray[np.generic]]) -> int:
    """Return in how many elements two sets of tensors differ, by their bits; missing ones count whole."""
    return sum(_differing(left.get(name), right.get(name)) for name in sorted({*left, *right}))


def _differing(left: npt.NDArray[np.generic] | None, right: npt.NDArray[np.generic] | None) -> int:
    if left is None or right is None or left.shape != right.shape or left.dtype != right.dtype:
        return max(0 if side is None else side.size for side in (left, right))
    size = left.dtype.itemsize
    ours, theirs = (np.ascontiguousarray(side).view(np.uint8).reshape(-1, size) for side in (left, right))
    return int(np.count_nonzero((ours != theirs).any(axis=1)))


def largest_distance(left: Predictions | None, right: Predictions | None) -> float:
    """Return the largest absolute distance of two prediction vectors; infinite where one is NaN or absent."""
    if left is None or right is None:
        return 0.0 if left is right else float("inf")
    gaps = np.abs(left.astype(np.float64) - right.astype(np.float64))
    return float(np.max(np.where(np.isnan(gaps), np.inf, gaps), initial=0.0))
