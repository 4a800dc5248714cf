"""What changed between two fitted transforms: schema, steps, state, outputs on a sample, and a verdict.

- identical: the digests are equal.
- breaking: inputs, outputs or codes differ (columns, types, dtypes, widths, cardinalities, a category that
  is lost or has another code), rows are refused that were not, an output moves beyond the bounds, or steps
  changed and no sample tells how far outputs move.
- compatible: anything else; a model trained on the old one can be fed by the new one.

`docs/diff.md` states the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.bounds import Bounds as Bounds
from likewise.transforms.category_changes import CategoryChange as CategoryChange
from likewise.transforms.category_changes import category_changes, code_reasons
from likewise.transforms.errors import LikewiseError
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.kind import FittedKind
from likewise.transforms.stability import LEAST_ROWS, stability_index
from likewise.transforms.steps import OutputSpec


@dataclass(frozen=True, slots=True)
class StepChange:
    """A step that is another kind, has other settings or other columns; None where there is none."""

    output: str
    place: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """The largest absolute difference of one column's fitted state; None where its size changed.

    Of arrays that hold several columns together, all of them are named.
    """

    output: str
    kind: str
    columns: tuple[str, ...]
    array: str
    difference: float | None


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
        Population stability index by output column; empty on fewer than 100 rows.
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
    rows: int
    bounds: Bounds
    steps: tuple[StepChange, ...]
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
        Rows to compare outputs on, as `FittedTransform.apply` takes them. If None, the old one's golden rows are
        compared; as odd values stand among them on purpose, they are not judged by the bounds.
    bounds
        By default those its `Transform` was declared with (`Transform(bounds=...)`), of the new one.
    """
    chosen = bounds or new.bounds or Bounds()
    if old.digest == new.digest:
        return Difference("identical", (), 0, chosen, (), (), (), ())
    reasons = list(_schema_reasons(old, new))
    categories = tuple(category_changes(old, new))
    reasons += [
        f"column {c.column!r} of output {c.output!r} lost or moved categories: {[*c.lost, *c.moved][:5]!r}"
        for c in categories
        if c.is_code and (c.lost or c.moved)
    ]
    reasons += code_reasons(old, new)
    outputs = _Outputs() if old.inputs != new.inputs else _output_changes(old, new, sample)
    reasons += [f"the new one refuses rows that the old one takes: {outputs.refused}"] if outputs.refused else []
    reasons += _beyond(outputs.changes, chosen) if sample is not None else ()
    steps, states = tuple(_step_changes(old, new)), tuple(_state_changes(old, new))
    if not reasons and steps and not _is_judged(outputs.rows if sample is not None else 0, chosen):
        changed = ", ".join(repr(name) for name in dict.fromkeys(step.output for step in steps))
        reasons.append(
            f"steps of output {changed} changed, and no sample of {LEAST_ROWS} rows or more was given to judge by"
        )
    verdict: Literal["compatible", "breaking"] = "breaking" if reasons else "compatible"
    return Difference(verdict, tuple(reasons), outputs.rows, chosen, steps, categories, states, outputs.changes)


def _schema_reasons(old: FittedTransform, new: FittedTransform) -> Iterator[str]:
    for what, before, after in (
        ("input", {s.name: s for s in old.inputs}, {s.name: s for s in new.inputs}),
        ("output", {s.name: s for s in old.outputs}, {s.name: s for s in new.outputs}),
    ):
        for name in [*before, *(n for n in after if n not in before)]:
            if name not in after:
                yield f"{what} {name!r} is gone"
            elif name not in before:
                yield f"{what} {name!r} is new"
            else:
                yield from _field_reasons(f"{what} {name!r}", before[name], after[name])


def _field_reasons(what: str, before: Any, after: Any) -> Iterator[str]:
    for field in fields(before):
        was, is_now = getattr(before, field.name), getattr(after, field.name)
        if was == is_now:
            continue
        if field.name == "columns":
            gone, come = ([n for n in one if n not in other][:5] for one, other in ((was, is_now), (is_now, was)))
            yield f"{what}: of its columns {gone} are gone, {come} are new, or their order changed"
        else:
            yield f"{what}: {field.name} was {was}, is {is_now}"


def _step_changes(old: FittedTransform, new: FittedTransform) -> Iterator[StepChange]:
    for output in [*old.steps, *(name for name in new.steps if name not in old.steps)]:
        both = zip_longest(_described(old, output), _described(new, output))
        for at, (before, after) in enumerate(both, 1):
            if before != after:
                yield StepChange(output, f"steps {at}", before, after)


def _described(fitted: FittedTransform, output: str) -> list[str]:
    return [
        f"{', '.join(f.source for f in part.fields)}: {' -> '.join(repr(k.kind) for k in part.kinds) or 'as they are'}"
        for part in fitted.steps.get(output, ())
    ]


def _paired(old: FittedTransform, new: FittedTransform) -> Iterator[tuple[str, FittedKind, FittedKind]]:
    """Pair kinds that stand at the same place and have the same id and fields."""
    for output, steps in old.steps.items():
        for before, after in zip(steps, new.steps.get(output, ()), strict=False):
            for one, other in zip(before.kinds, after.kinds, strict=False):
                if one.kind.id == other.kind.id and one.fields == other.fields:
                    yield output, one, other


def _state_changes(old: FittedTransform, new: FittedTransform) -> Iterator[StateChange]:
    for output, one, other in _paired(old, new):
        columns = tuple(f.source for f in one.fields)
        theirs = other.arrays()
        for name, array in one.arrays().items():
            if array.dtype.kind == "u" or name.endswith(".offsets") or name.startswith("vocabulary."):
                continue  # of categories, which are told one by one
            after = theirs.get(name)
            if after is None or after.shape != array.shape:
                yield StateChange(output, one.kind.id, columns, name, None)
                continue
            gaps = np.abs(after.astype(np.float64) - array.astype(np.float64))
            apart = gaps.reshape(len(columns), -1) if len(gaps) == len(columns) else gaps.reshape(1, -1)
            named = [(c,) for c in columns] if len(gaps) == len(columns) else [columns]
            for which, size in zip(named, apart.max(axis=1, initial=0.0).tolist(), strict=True):
                if size > 0.0:
                    yield StateChange(output, one.kind.id, which, name, size)


@dataclass(frozen=True, slots=True)
class _Outputs:
    rows: int = 0
    changes: tuple[OutputChange, ...] = ()
    refused: str = ""


def _output_changes(old: FittedTransform, new: FittedTransform, sample: Any) -> _Outputs:
    rows = old.golden.columns if sample is None else _readable_twice(sample)
    before = old.apply(rows)
    try:
        after = new.apply(rows)
    except LikewiseError as error:
        return _Outputs(refused=error.message)
    changes = tuple(
        _output_change(spec, before[spec.name], after[spec.name])
        for spec in old.outputs
        if spec.name in after and after[spec.name].shape == before[spec.name].shape
    )
    return _Outputs(len(next(iter(before.values()))), changes)


def _readable_twice(sample: Any) -> Any:
    if isinstance(sample, pa.RecordBatchReader):
        return sample.read_all()
    return list(sample) if isinstance(sample, Iterator) else sample


def _output_change(spec: OutputSpec, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> OutputChange:
    one, other = (t.reshape(len(t), len(spec.columns)).astype(np.float64) for t in (before, after))
    differs = ~((one == other) | ((one != one) & (other != other)))
    with np.errstate(invalid="ignore"):  # inf - inf, where nothing differs
        gap = np.abs(np.where(differs, one - other, 0.0))
    judged = enumerate(spec.columns) if len(one) >= LEAST_ROWS else ()
    by_value = spec.cardinality is not None
    return OutputChange(
        spec.name,
        float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0)),
        float(differs.any(axis=1).mean()) if len(one) else 0.0,
        {c: stability_index(one[:, at], other[:, at], by_value=by_value) for at, c in judged},
    )


def _is_judged(rows: int, bounds: Bounds) -> bool:
    """Whether rows were enough for the bounds that are set."""
    if bounds == Bounds(None, None, None):
        return True
    return rows >= (1 if bounds.psi is None else LEAST_ROWS)


def _beyond(outputs: Sequence[OutputChange], bounds: Bounds) -> Iterator[str]:
    for change in outputs:
        if bounds.share_changed is not None and change.share_changed > bounds.share_changed:
            share = f"{change.share_changed:.1%} of rows, above {bounds.share_changed:.1%}"
            yield f"output {change.name!r} changes in {share}"
        if bounds.difference is not None and change.difference > bounds.difference:
            yield f"output {change.name!r} moves by up to {change.difference:.6g}, above {bounds.difference:g}"
        if bounds.psi is not None:
            for column, psi in change.psi.items():
                if psi > bounds.psi:
                    moved = f"a stability index of {psi:.3f}, above {bounds.psi:g}"
                    yield f"output {change.name!r} column {column!r} has {moved}"
