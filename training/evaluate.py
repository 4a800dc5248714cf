"""Judge predictions on held-out rows: metrics, reliability, slices, and baselines on the very same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .history_file import History
from .metrics import Array, ReliabilityBin, all_metrics, reliability
from .split import Part

SLICES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Slice:
    """Metrics of the rows where a column has one value; `roc_auc` is NaN when they are all of one class."""

    column: str
    value: str
    rows: int
    observed_share: float
    mean_prediction: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model showed on one part of the split."""

    part: str
    rows: int
    base_rate: float
    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    reliability: tuple[ReliabilityBin, ...]
    slices: tuple[Slice, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as JSON values; NaN becomes None."""
        found: dict[str, Any] = _without_nan(asdict(self))
        return found


def evaluate(
    history: History,
    part: Part,
    predictions: Array,
    baselines: Mapping[str, Array],
    slices: Sequence[str] = (),
) -> Evaluation:
    """Return the evaluation of a part.

    Parameters
    ----------
    history
        Where the slices' columns are.
    part
        The rows, with labels.
    predictions
        (n,) probabilities of the model, made by the runtime that will serve.
    baselines
        Name -> (n,) probabilities of the same rows.
    slices
        Columns of the history; of each, the most frequent values (at most 20) are judged apart.
    """
    return Evaluation(
        part.name,
        part.rows,
        part.base_rate,
        all_metrics(part.labels, predictions),
        {name: all_metrics(part.labels, theirs) for name, theirs in baselines.items()},
        reliability(part.labels, predictions),
        tuple(found for column in slices for found in _slices(history, column, part, predictions)),
    )


def _slices(history: History, column: str, part: Part, predictions: Array) -> list[Slice]:
    encoded = _values(history, column, part)
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(names))
    frequent = np.argsort(-counts, kind="stable")[:SLICES_SHOWN]
    return [_slice(column, names[code], codes == code, part.labels, predictions) for code in frequent]


def _values(history: History, column: str, part: Part) -> pa.DictionaryArray:
    values = history.columns([column]).column(column).take(pa.array(part.positions))
    return values.combine_chunks().dictionary_encode(null_encoding="encode")


def _slice(column: str, value: str, rows: Array, labels: Array, predictions: Array) -> Slice:
    labels, predictions = labels[rows], predictions[rows]
    return Slice(
        column,
        value,
        int(rows.sum()),
        float(labels.mean()),
        float(predictions.mean(dtype=np.float64)),
        all_metrics(labels, predictions),
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(found) for name, found in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(found) for found in value]
    return None if isinstance(value, float) and np.isnan(value) else value
