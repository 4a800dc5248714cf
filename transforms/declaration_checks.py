"""What a transform's declaration must be, checked where it is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from likewise.transforms.errors import ColumnMissingError, OutputMissingError, SettingError, closest, listing
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.safe_arrays import canonical_json
from likewise.transforms.steps import Steps

# An output, or one of its steps.
Keep: TypeAlias = str | tuple[str, int]


def require_outputs(name: object, outputs: object) -> None:
    """Raise SettingError unless outputs are a mapping of names to lists of Steps."""
    owner = f"Transform {name!r}"
    if not isinstance(name, str) or not name:
        raise SettingError("Transform", "name", "a name", name)
    if not isinstance(outputs, Mapping) or not outputs:
        raise SettingError(owner, "outputs", "a mapping from output names to lists of Steps", outputs)
    for output, steps in outputs.items():
        if not isinstance(output, str) or not output:
            raise SettingError(owner, "outputs", "a mapping whose keys are names", output)
        is_list = isinstance(steps, (list, tuple)) and len(steps) > 0
        if not is_list or not all(isinstance(s, Steps) for s in steps):
            raise SettingError(owner, f"outputs[{output!r}]", "a list of one Steps or more", steps)


def require_kept(fitted: FittedTransform, keep: Collection[Keep]) -> None:
    """Raise OutputMissingError or SettingError unless what is to be kept is there."""
    if isinstance(keep, str):
        raise SettingError("Transform", "keep", "a list of outputs", keep)
    for entry in keep:
        output, at = entry if isinstance(entry, tuple) else (entry, 0)
        if output not in fitted.steps:
            raise OutputMissingError(output, list(fitted.steps))
        if at not in range(len(fitted.steps[output])):
            count = len(fitted.steps[output])
            raise SettingError("Transform", f"keep={entry!r}", f"one of the {count} steps of {output!r}", at)


def new_names(rename: Mapping[str, str], columns: Sequence[str]) -> Mapping[str, str]:
    """Return the new names, checked: every old one is read, no new one is that of another column."""
    for old in rename:
        if old not in columns:
            raise ColumnMissingError(old, columns)
    after = [rename.get(c, c) for c in columns]
    for name in after:
        if after.count(name) > 1:
            raise SettingError("Transform", "rename", f"names that no two columns share, as {name!r}", dict(rename))
    return rename


def logical_types(name: str, types: Mapping[str, LogicalType | str], columns: Sequence[str]) -> dict[str, LogicalType]:
    """Return declared logical types, checked: of columns that are read, and known."""
    owner, known = f"Transform {name!r}", [t.value for t in LogicalType]
    for column, logical in types.items():
        if column not in columns:
            raise SettingError(owner, "types", f"of columns it reads ({listing(columns)})", column)
        if logical not in known:
            told = f"one of {listing(known)}.{closest(str(logical), known)}".rstrip(".")
            raise SettingError(owner, f"types[{column!r}]", told, logical)
    return {column: LogicalType(logical) for column, logical in types.items()}


def require_json(provenance: Mapping[str, Any] | None) -> None:
    """Raise SettingError at once, and not after a long fit, when provenance is no plain JSON."""
    try:
        canonical_json(provenance or {})
    except (TypeError, ValueError) as error:
        raise SettingError("fit", "provenance", f"plain JSON ({error})", provenance) from None
