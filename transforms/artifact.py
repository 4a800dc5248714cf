"""A fitted transform as bytes and back: parse, check, then build; nothing is executed.

`docs/artifact-format.md` describes the format. The digest covers the manifest and all arrays but the
golden outputs; provenance and golden outputs stand beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import InputSpec
from likewise.transforms.errors import ArtifactError, DigestMismatchError, LikewiseError, UnknownKindError
from likewise.transforms.golden import GoldenRows, pack_columns, unpack_columns
from likewise.transforms.kind import Arrays, Fields, FittedKind, Kind
from likewise.transforms.kinds import find_kind
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.safe_arrays import canonical_json, parse_json, read, write
from likewise.transforms.steps import FittedSteps, OutputSpec, check_accepted, first_fields, output_spec, spec_as_json

FORMAT = 1
_GOLDEN_OUT = "golden.out."
# What building from a forged manifest may raise, beyond our own: wrong types, absent keys, nesting without end.
_UNSOUND = (
    LikewiseError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# Columns between two steps that an artifact may ask for by a number alone, without naming them.
_UNNAMED_COLUMNS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """All that a fitted transform is.

    Parameters
    ----------
    outputs
        Per output its fitted steps, in order.
    provenance
        Plain JSON; not part of the digest.
    """

    name: str
    feature_service: str | None
    inputs: tuple[InputSpec, ...]
    outputs: Mapping[str, tuple[FittedSteps, ...]]
    golden: GoldenRows
    provenance: Mapping[str, Any]

    def output_specs(self) -> tuple[OutputSpec, ...]:
        """Return the specs of the outputs."""
        return tuple(output_spec(name, steps) for name, steps in self.outputs.items())


def digest_of(content: Content) -> str:
    """Return the identity of a fitted transform: "sha256:" and 64 hexadecimal digits."""
    return _digest(_manifest(content), _digested_arrays(content))


def to_bytes(content: Content) -> bytes:
    """Return the artifact; equal content gives equal bytes."""
    arrays = _digested_arrays(content)
    manifest = _manifest(content)
    metadata = {
        "likewise": canonical_json(manifest).decode("utf-8", "surrogatepass"),
        "digest": _digest(manifest, arrays),
        "provenance": canonical_json(content.provenance).decode("utf-8", "surrogatepass"),
    }
    golden = {f"{_GOLDEN_OUT}{at}": content.golden.tensors[name] for at, name in enumerate(content.outputs)}
    return write({**arrays, **golden}, metadata)


def from_bytes(data: bytes) -> Content:
    """Return the fitted transform of an artifact.

    Raises
    ------
    ArtifactError
        When it is no sound artifact; UnknownKindError when a kind of it is not installed here.
    """
    arrays, metadata = read(data)
    if not {"likewise", "digest", "provenance"} <= metadata.keys():
        raise ArtifactError("it lacks the manifest, the digest or the provenance")
    manifest = parse_json(metadata["likewise"].encode("utf-8", "surrogatepass"), "manifest")
    provenance = parse_json(metadata["provenance"].encode("utf-8", "surrogatepass"), "provenance")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        got = manifest.get("format") if isinstance(manifest, dict) else None
        raise ArtifactError(f"it has format {got!r}, this version of Likewise reads {FORMAT}")
    digested = {name: array for name, array in arrays.items() if not name.startswith(_GOLDEN_OUT)}
    try:
        if _digest(manifest, digested) != metadata["digest"]:
            raise DigestMismatchError(metadata["digest"], _digest(manifest, digested))
        return _content(manifest, arrays, provenance)
    except (ArtifactError, UnknownKindError):
        raise
    except _UNSOUND as error:
        raise ArtifactError(f"its manifest does not describe a transform ({str(error)[:200]})") from error


def _manifest(content: Content) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": content.name,
        "feature_service": content.feature_service,
        "inputs": [{"name": spec.name, "type": spec.type.value} for spec in content.inputs],
        "outputs": [
            {**spec_as_json(spec), "steps": [_steps_as_json(s) for s in steps]}
            for spec, steps in zip(content.output_specs(), content.outputs.values(), strict=True)
        ],
    }


def _steps_as_json(steps: FittedSteps) -> dict[str, Any]:
    kinds = [{"id": k.kind.id, "settings": k.kind.settings()} for k in steps.kinds]
    return {"columns": [f.source for f in steps.fields], "kinds": kinds}


def _state_prefix(output: int, steps: int, kind: int) -> str:
    return f"state.{output}.{steps}.{kind}."


def _digested_arrays(content: Content) -> dict[str, npt.NDArray[Any]]:
    arrays = pack_columns(content.inputs, content.golden.columns)
    for o, steps in enumerate(content.outputs.values()):
        for s, part in enumerate(steps):
            for k, kind in enumerate(part.kinds):
                prefix = _state_prefix(o, s, k)
                arrays |= {prefix + name: np.asarray(array) for name, array in kind.arrays().items()}
    return arrays


def _digest(manifest: Mapping[str, Any], arrays: Arrays) -> str:
    described = {
        name: [array.dtype.str, list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
        for name, array in arrays.items()
    }
    return "sha256:" + hashlib.sha256(canonical_json({"manifest": manifest, "arrays": described})).hexdigest()


def _content(manifest: Mapping[str, Any], arrays: Arrays, provenance: Any) -> Content:
    inputs = tuple(InputSpec(entry["name"], LogicalType(entry["type"])) for entry in manifest["inputs"])
    types = {spec.name: spec.type for spec in inputs}
    outputs = {}
    used: set[str] = set()
    for at, entry in enumerate(manifest["outputs"]):
        steps = [
            _steps(entry, s, types, _Section(arrays, f"state.{at}.{i}", used)) for i, s in enumerate(entry["steps"])
        ]
        outputs[entry["name"]] = tuple(steps)
        if {**spec_as_json(output_spec(entry["name"], steps)), "steps": entry["steps"]} != entry:
            raise ArtifactError(f"output {entry['name']!r} is not what its steps make")
    golden = GoldenRows(unpack_columns(inputs, arrays), _golden_tensors(arrays, outputs))
    content = Content(manifest["name"], manifest["feature_service"], inputs, outputs, golden, provenance)
    _check_whole(content, manifest, arrays)
    return content


@dataclass(frozen=True, slots=True)
class _Section:
    """The arrays of one kind after the other, by prefix."""

    arrays: Arrays
    prefix: str
    used: set[str]

    def of_kind(self, at: int) -> dict[str, npt.NDArray[Any]]:
        start = f"{self.prefix}.{at}."
        names = [name for name in self.arrays if name.startswith(start)]
        self.used.update(names)
        return {name[len(start) :]: self.arrays[name] for name in names}


def _steps(
    output: Mapping[str, Any], entry: Mapping[str, Any], types: Mapping[str, LogicalType], section: _Section
) -> FittedSteps:
    fields = first_fields(entry["columns"], types)
    given: Fields = fields
    fitted: list[FittedKind] = []
    for at, described in enumerate(entry["kinds"]):
        kind = kind_from_json(described["id"], described["settings"])
        check_accepted(f"output {output['name']!r}", kind, given)
        is_last = at == len(entry["kinds"]) - 1
        _check_asked(kind.columns_asked(given), len(output["columns"]) if is_last else _UNNAMED_COLUMNS)
        fitted.append(kind.restore(given, section.of_kind(at)))
        given = fitted[-1].outputs()
    return FittedSteps(fields, tuple(fitted))


def _check_asked(columns: int, most: int) -> None:
    if columns > most:
        raise ArtifactError(f"a step asks for {columns:,} columns where {most:,} can be")


def kind_from_json(kind_id: str, settings: Mapping[str, Any]) -> Kind:
    """Return a kind from its id and settings, checked as its constructor checks them."""
    return find_kind(kind_id)(**{name: _tuples(value) for name, value in settings.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _golden_tensors(arrays: Arrays, outputs: Mapping[str, Sequence[FittedSteps]]) -> dict[str, npt.NDArray[Any]]:
    tensors = {}
    for at, name in enumerate(outputs):
        tensor = arrays[f"{_GOLDEN_OUT}{at}"]
        spec = output_spec(name, outputs[name])
        if tensor.dtype != np.dtype(spec.dtype) or tensor.shape[1:] != spec.shape:
            raise ArtifactError(f"the golden rows of output {name!r} have another shape or dtype")
        tensors[name] = tensor
    return tensors


def _check_whole(content: Content, manifest: Mapping[str, Any], arrays: Arrays) -> None:
    """Raise ArtifactError unless writing the content again gives just these arrays and manifest."""
    again = _digested_arrays(content)
    golden = {f"{_GOLDEN_OUT}{at}" for at in range(len(content.outputs))}
    stray = arrays.keys() - again.keys() - golden
    if stray:
        raise ArtifactError(f"array {sorted(stray)[0]!r} belongs to nothing in it")
    rows = {len(t) for t in content.golden.tensors.values()} | {len(c) for c in content.golden.columns.values()}
    if len(rows) != 1:
        raise ArtifactError("its golden rows differ in number")
    if _digest(_manifest(content), again) != _digest(manifest, {n: arrays[n] for n in again}):
        raise ArtifactError("its manifest or state is not in canonical form")
