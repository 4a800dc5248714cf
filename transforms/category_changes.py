"""Which categories of two fitted transforms differ, and whether codes mean something else now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.kind import FittedKind
from likewise.transforms.packed_values import unpack
from likewise.transforms.steps import FittedSteps
from likewise.transforms.vocabulary import MISSING, UNSEEN


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """Categories of one column that are new, lost, or have another place; `is_code` when that is their code."""

    output: str
    kind: str
    column: str
    new: tuple[Any, ...]
    lost: tuple[Any, ...]
    moved: tuple[Any, ...]
    is_code: bool


def category_changes(old: FittedTransform, new: FittedTransform) -> Iterator[CategoryChange]:
    """Yield the changes of each column's categories, where the same kind keeps them in both."""
    for output, one, other in _counterparts(old, new):
        if other is None:
            continue
        makes_codes = any(f.cardinality is not None for f in one.outputs())
        for at, field in enumerate(one.fields):
            name = f"vocabulary.{at}"
            if name not in one.arrays() or name not in other.arrays():
                continue
            before = unpack(name, field.type.element, one.arrays())
            after = unpack(name, field.type.element, other.arrays())
            places, known = {value: place for place, value in enumerate(after)}, set(before)
            moved = tuple(v for place, v in enumerate(before) if places.get(v, place) != place)
            added = tuple(v for v in after if v not in known)
            lost = tuple(v for v in before if v not in places)
            if added or moved or lost:
                yield CategoryChange(output, one.kind.id, field.source, added, lost, moved, makes_codes)


def code_reasons(old: FittedTransform, new: FittedTransform) -> Iterator[str]:
    """Yield why codes of categories can't be taken for the old ones, beyond categories that are lost or moved."""
    for output, one, other in _counterparts(old, new):
        columns = ", ".join(repr(f.source) for f in one.fields[:3])
        keeps_codes = any(f.cardinality is not None for f in one.outputs()) and "vocabulary.0" in one.arrays()
        if not keeps_codes:
            continue
        if other is None:
            yield f"output {output!r}: the codes of column {columns} are no longer made by {one.kind.id}"
            continue
        for field, before, after in zip(one.fields, _meanings(one), _meanings(other), strict=False):
            told = [
                f"code {c} meant {' and '.join(m)}" for c, m in before.items() if not set(m) <= set(after.get(c, ()))
            ]
            if told:
                yield f"column {field.source!r} of output {output!r}: {', '.join(told)}, and does no more"


def _meanings(kind: FittedKind) -> Iterator[dict[int, list[str]]]:
    """Yield, per column, what codes beyond the categories mean."""
    for plan in getattr(kind, "plans", ()):
        meant: dict[int, list[str]] = {}
        for what, place in (("missing", MISSING), ("unseen", UNSEEN)):
            code = int(plan.of_place[place])
            if code >= 0:
                meant.setdefault(code, []).append(what)
        yield meant


def _counterparts(old: FittedTransform, new: FittedTransform) -> Iterator[tuple[str, FittedKind, FittedKind | None]]:
    """Pair each kind of the old one with the same of the new one, wherever it stands among the steps there."""
    for output, parts in old.steps.items():
        if output not in new.steps:
            continue
        left = [(part, kind) for part in new.steps[output] for kind in part.kinds]
        for part in parts:
            for kind in part.kinds:
                at = next((at for at, (p, k) in enumerate(left) if _is_same(part, kind, p, k)), None)
                yield output, kind, None if at is None else left.pop(at)[1]


def _is_same(part: FittedSteps, kind: FittedKind, other_part: FittedSteps, other: FittedKind) -> bool:
    columns = [[f.source for f in p.fields] for p in (part, other_part)]
    fields = [[(f.source, f.type) for f in k.fields] for k in (kind, other)]
    return kind.kind.id == other.kind.id and columns[0] == columns[1] and fields[0] == fields[1]
