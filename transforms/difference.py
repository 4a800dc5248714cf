"""What changed between two fitted transforms: schema, state, outputs on a sample, and a verdict.

- identical: the digests are equal.
- breaking: inputs, outputs or codes differ (columns, types, dtypes, widths, cardinalities, a category that
  is lost or has another code), or an output moves beyond the bounds.
- compatible: anything else; a model trained on the old one can be fed by the new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from likewise.transforms.arithmetic import log
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.kind import FittedKind
from likewise.transforms.packed_values import unpack

# Of a bin without rows: keeps the index finite. The usual choice for the population stability index.
_LEAST_SHARE = 1e-4
_BINS = 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far outputs may move before the verdict is breaking.

    Parameters
    ----------
    psi
        Population stability index of any output column; 0.2 is the customary alarm.
    share_changed
        Share of rows of an output in which any value changes.
    """

    psi: float = 0.2
    share_changed: float = 1.0


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """Categories of one column that are new, lost, or have another code."""

    output: str
    column: str
    new: tuple[Any, ...]
    lost: tuple[Any, ...]
    moved: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StateChange:
    """The largest absolute difference of one array of fitted state."""

    output: str
    kind: str
    columns: tuple[str, ...]
    array: str
    difference: float


@dataclass(frozen=True, slots=True)
class OutputChange:
    """How one output differs on the sample.

    Parameters
    ----------
    difference
        The largest absolute difference of a value.
    share_changed
        Share of rows in which any value differs.
    psi
        Population stability index by output column.
    """

    name: str
    difference: float
    share_changed: float
    psi: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs, and the verdict with its reasons."""

    verdict: Literal["identical", "compatible", "breaking"]
    reasons: tuple[str, ...]
    categories: tuple[CategoryChange, ...]
    states: tuple[StateChange, ...]
    outputs: tuple[OutputChange, ...]


def difference(
    old: FittedTransform, new: FittedTransform, sample: Any = None, bounds: Bounds | None = None
) -> Difference:
    """Return the difference of two fitted transforms.

    Parameters
    ----------
    sample
        Rows to compare outputs on, as `FittedTransform.apply` takes them; the old one's golden rows if None.
    """
    if old.digest == new.digest:
        return Difference("identical", (), (), (), ())
    reasons = list(_schema_reasons(old, new))
    categories = tuple(_category_changes(old, new))
    reasons += [
        f"column {c.column!r} of output {c.output!r} lost or moved categories: {[*c.lost, *c.moved][:5]!r}"
        for c in categories
        if c.lost or c.moved
    ]
    outputs = () if reasons and old.inputs != new.inputs else _output_changes(old, new, sample)
    reasons += _beyond(outputs, bounds or Bounds())
    verdict: Literal["compatible", "breaking"] = "breaking" if reasons else "compatible"
    return Difference(verdict, tuple(reasons), categories, tuple(_state_changes(old, new)), outputs)


def _schema_reasons(old: FittedTransform, new: FittedTransform) -> Iterator[str]:
    for what, before, after in (
        ("input", {s.name: s for s in old.inputs}, {s.name: s for s in new.inputs}),
        ("output", {s.name: s for s in old.outputs}, {s.name: s for s in new.outputs}),
    ):
        for name in [*before, *(n for n in after if n not in before)]:
            if before.get(name) != after.get(name):
                yield f"{what} {name!r} was {before.get(name)}, is {after.get(name)}"


def _paired(old: FittedTransform, new: FittedTransform) -> Iterator[tuple[str, FittedKind, FittedKind]]:
    """Pair kinds that stand at the same place and have the same id and fields."""
    for output, steps in old.steps.items():
        for before, after in zip(steps, new.steps.get(output, ()), strict=False):
            for one, other in zip(before.kinds, after.kinds, strict=False):
                if one.kind.id == other.kind.id and one.fields == other.fields:
                    yield output, one, other


def _category_changes(old: FittedTransform, new: FittedTransform) -> Iterator[CategoryChange]:
    for output, one, other in _paired(old, new):
        for at, field in enumerate(one.fields):
            name = f"vocabulary.{at}"
            if name not in one.arrays():
                continue
            before = unpack(name, field.type.element, one.arrays())
            after = unpack(name, field.type.element, other.arrays())
            places = {value: place for place, value in enumerate(after)}
            moved = tuple(v for place, v in enumerate(before) if places.get(v, place) != place)
            added = tuple(v for v in after if v not in set(before))
            lost = tuple(v for v in before if v not in places)
            if added or moved or lost:
                yield CategoryChange(output, field.source, added, lost, moved)


def _state_changes(old: FittedTransform, new: FittedTransform) -> Iterator[StateChange]:
    for output, one, other in _paired(old, new):
        columns = tuple(f.source for f in one.fields)
        theirs = other.arrays()
        for name, array in one.arrays().items():
            if array.dtype.kind == "u" or np.array_equal(
                array, theirs.get(name, array[:0]), equal_nan=array.dtype.kind == "f"
            ):
                continue
            alike = name in theirs and theirs[name].shape == array.shape
            size = float(np.max(np.abs(array.astype(float) - theirs[name].astype(float)))) if alike else np.inf
            yield StateChange(output, one.kind.id, columns, name, size)


def _output_changes(old: FittedTransform, new: FittedTransform, sample: Any) -> tuple[OutputChange, ...]:
    rows = old.golden.columns if sample is None else sample
    before, after = old.apply(rows), new.apply(rows)
    specs = {spec.name: spec.columns for spec in old.outputs}
    return tuple(
        _output_change(name, columns, before[name], after[name])
        for name, columns in specs.items()
        if name in after and after[name].shape == before[name].shape
    )


def _output_change(
    name: str, columns: Sequence[str], before: npt.NDArray[Any], after: npt.NDArray[Any]
) -> OutputChange:
    one, other = (t.reshape(len(t), -1).astype(np.float64) for t in (before, after))
    differs = ~((one == other) | ((one != one) & (other != other)))
    with np.errstate(invalid="ignore"):  # inf - inf, where nothing differs
        gap = np.abs(np.where(differs, one - other, 0.0))
    return OutputChange(
        name,
        float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0)),
        float(differs.any(axis=1).mean()) if len(one) else 0.0,
        {c: stability_index(one[:, at], other[:, at]) for at, c in enumerate(columns)},
    )


def stability_index(expected: npt.NDArray[np.float64], got: npt.NDArray[np.float64]) -> float:
    """Return the population stability index of two samples over ten bins of equal share of the first.

    NaN is a bin of its own; a bin without rows counts as a share of 0.0001.
    """
    present = expected[np.isfinite(expected)]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.zeros(0)
    one, other = (_shares(values, edges) for values in (expected, got))
    return float(np.sum((other - one) * (log(other) - log(one))))


def _shares(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bins = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    counts = np.bincount(bins, minlength=len(edges) + 2)
    return np.maximum(counts / max(len(values), 1), _LEAST_SHARE)


def _beyond(outputs: Sequence[OutputChange], bounds: Bounds) -> list[str]:
    reasons = []
    for change in outputs:
        if change.share_changed > bounds.share_changed:
            reasons.append(f"output {change.name!r} changes in {change.share_changed:.1%} of rows")
        reasons += [
            f"output {change.name!r} column {column!r} has a stability index of {psi:.3f}, above {bounds.psi}"
            for column, psi in change.psi.items()
            if psi > bounds.psi
        ]
    return reasons
