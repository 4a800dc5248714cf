"""A fitted transform as plain values: schema, policies, statistics and provenance, for JSON and for tables."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms import FittedTransform
from likewise.transforms.kind import FittedKind
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.packed_values import unpack
from likewise.transforms.steps import FittedSteps

_LONGEST = 20  # categories, edges and the like that are shown of a column


def describe(fitted: FittedTransform) -> dict[str, Any]:
    """Return all there is to say of a transform, as JSON values; long vocabularies are cut and counted."""
    return {
        "name": fitted.name,
        "digest": fitted.digest,
        "feature_service": fitted.feature_service,
        "inputs": [{"name": spec.name, "type": spec.type.value} for spec in fitted.inputs],
        "outputs": [
            {
                "name": spec.name,
                "dtype": spec.dtype,
                "shape": ["n", *spec.shape],
                "columns": list(spec.columns),
                "cardinality": spec.cardinality,
                "steps": [_steps(steps) for steps in fitted.steps[spec.name]],
            }
            for spec in fitted.outputs
        ],
        "golden_rows": len(next(iter(fitted.golden.tensors.values()))),
        "provenance": dict(fitted.provenance),
    }


def _steps(steps: FittedSteps) -> dict[str, Any]:
    return {
        "columns": [field.source for field in steps.fields],
        "kinds": [
            {"kind": kind.kind.id, "settings": dict(kind.kind.settings()), "state": _state(kind)}
            for kind in steps.kinds
        ],
    }


def _state(kind: FittedKind) -> dict[str, dict[str, Any]]:
    """Return, per column, each statistic: one number, the first of several, or how many categories and the first.

    Arrays are told apart by how kinds name them: `vocabulary.0` and the like belong to one column, `edges` with
    `edges.offsets` hold the columns end to end, and others have one entry a column.
    """
    arrays, columns = kind.arrays(), [field.source for field in kind.fields]
    state: dict[str, dict[str, Any]] = {column: {} for column in columns}
    for at, field in enumerate(kind.fields):
        if f"vocabulary.{at}" in arrays:
            categories = unpack(f"vocabulary.{at}", field.type.element, arrays)
            state[field.source]["categories"] = _cut([_plain(value) for value in categories])
    for name, array in arrays.items():
        stem, _, place = name.rpartition(".")
        if stem == "vocabulary" or stem.startswith("vocabulary.") or place in ("offsets", "exact"):
            continue
        if place.isdigit():
            state[columns[int(place)]] |= _of_column(stem, array, kind.fields[int(place)].type, arrays, name)
        elif f"{name}.offsets" in arrays:
            bounds = pairwise(arrays[f"{name}.offsets"].tolist())
            for column, (start, stop) in zip(columns, bounds, strict=True):
                state[column][name] = _cut(array[start:stop].tolist())
        else:
            for column, value in zip(columns[-len(array) :], array, strict=True):  # a key comes before its numbers
                state[column][name] = _cut(value.tolist()) if np.ndim(value) else _plain(value)
    return {column: facts for column, facts in state.items() if facts}


def _of_column(
    stem: str, array: npt.NDArray[Any], logical: LogicalType, arrays: Mapping[str, npt.NDArray[Any]], name: str
) -> dict[str, Any]:
    """Return what one column's array says: how many a mask chose, the value that fills, or the first numbers."""
    if stem == "infrequent":
        return {"infrequent": int(array.sum())} if array.any() else {}
    if stem == "fill":
        return {"fill": _plain(unpack(name, logical, arrays)[0])}
    return {stem: _cut(array.tolist())}


def _cut(values: Sequence[Any]) -> dict[str, Any]:
    return {"count": len(values), "first": list(values[:_LONGEST])}


def _plain(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bytes):
        return plain.hex()
    # JSON knows no NaN and no infinity.
    return str(plain) if isinstance(plain, float) and not np.isfinite(plain) else plain


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as `name=value, ...`."""
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def state_text(facts: Mapping[str, Any]) -> str:
    """Return a column's statistics on one line."""
    return ", ".join(f"{name} {_value_text(value)}" for name, value in facts.items())


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        more = value["count"] - len(value["first"])
        shown = ", ".join(_value_text(item) for item in value["first"])
        return f"({value['count']}): {shown}" + (f" and {more} more" if more > 0 else "")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
