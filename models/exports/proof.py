"""An export's outputs compared with the transform's, within a stated bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.models.exports.errors import ExportBoundError
from likewise.models.exports.proof_rows import ProofRows
from likewise.transforms import OutputSpec

# Of a float output, as a share of its size, or of its column's usual size if that is more: about eight steps of
# float32. Codes are equal or the export is refused.
BOUND = 1e-6
# Below the smallest normal float32, whether a number is kept or becomes 0 depends on the processor's mode.
_TINY = float(np.finfo(np.float32).tiny)

Tensor = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """How far one output of an export was seen from the transform's.

    Parameters
    ----------
    output
        Its name.
    rows, golden_rows
        Rows compared, and how many of them are golden rows.
    values_that_differ
        How many values have other bits (any NaN is NaN).
    largest_absolute, largest_relative
        The largest differences; relative ones as `BOUND` is meant. 0 for codes.
    """

    output: str
    rows: int
    golden_rows: int
    values_that_differ: int
    largest_absolute: float
    largest_relative: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def prove(
    target: str, outputs: Sequence[OutputSpec], proof: ProofRows, got: Mapping[str, Tensor]
) -> tuple[Measured, ...]:
    """Return how far every output is from what the transform gives.

    Raises
    ------
    ExportBoundError
        When one has another shape or dtype, another code, or a number beyond the bound; it says which and where.
    """
    findings = [finding for spec in outputs for finding in _findings(spec, proof, got[spec.name])]
    if findings:
        raise ExportBoundError(target, findings)
    return tuple(_measured(spec.name, proof, got[spec.name]) for spec in outputs)


def _findings(spec: OutputSpec, proof: ProofRows, got: Tensor) -> list[str]:
    expected = proof.expected[spec.name]
    if got.shape != expected.shape or got.dtype != expected.dtype:
        had = f"{got.dtype} {got.shape}"
        return [f"output {spec.name!r} should be {expected.dtype} {expected.shape}, is {had}"]
    wide, wide_got = _wide(expected), _wide(got)
    beyond = wide != wide_got if spec.dtype == "int32" else ~(_relative(wide, wide_got) <= BOUND)
    rows, columns = np.nonzero(beyond)
    found = []
    for column in dict.fromkeys(columns.tolist()):
        where = rows[columns == column]
        at = int(where[0])
        which = f"golden row {at}" if at < proof.golden else f"random row {at - proof.golden}"
        found.append(
            f"output {spec.name!r} column {spec.columns[column]!r} differs in {len(where)} of {proof.rows} rows, "
            f"first in {which}: expected {wide[at, column].item()!r}, got {wide_got[at, column].item()!r} "
            f"(inputs {_row(proof, at)})"
        )
    return found


def _row(proof: ProofRows, at: int) -> str:
    """Return the input values of a row, cut short."""
    values = {name: column.objects()[at] for name, column in proof.columns.items()}
    text = ", ".join(f"{name}={value!r}" for name, value in values.items())
    return text if len(text) <= 300 else text[:297] + "..."


def _measured(output: str, proof: ProofRows, got: Tensor) -> Measured:
    expected, held = _wide(proof.expected[output]), _wide(got)
    same = (expected == held) | ((expected != expected) & (held != held))
    with np.errstate(invalid="ignore"):
        absolute = np.where(same, 0.0, np.abs(held.astype(np.float64) - expected.astype(np.float64)))
    relative = _relative(expected, held)
    return Measured(
        output,
        proof.rows,
        proof.golden,
        int(np.count_nonzero(~same)),
        float(absolute.max(initial=0.0)),
        float(relative.max(initial=0.0)),
    )


def _relative(expected: Tensor, got: Tensor) -> npt.NDArray[np.float64]:
    """Return |got - expected| / max(|expected|, usual size of the column); 0 where both are the same or tiny."""
    wanted, held = expected.astype(np.float64), got.astype(np.float64)
    same = (wanted == held) | (np.isnan(wanted) & np.isnan(held)) | ((np.abs(wanted) < _TINY) & (np.abs(held) < _TINY))
    size = np.abs(wanted)
    usual = np.array([_usual(column) for column in size.T]).reshape(1, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.abs(held - wanted) / np.maximum(size, usual)
    result: npt.NDArray[np.float64] = np.where(same, 0.0, share)
    return result


def _usual(sizes: npt.NDArray[np.float64]) -> float:
    """Return the median size of what is neither zero, missing nor infinite; 0 if there is none."""
    usual = sizes[(sizes > 0.0) & np.isfinite(sizes)]
    return float(np.median(usual)) if len(usual) else 0.0


def _wide(tensor: Tensor) -> Tensor:
    return tensor[:, None] if tensor.ndim == 1 else tensor
