"""From history to the tensors of one part: the fitted transform applied, checked finite, with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from likewise.models.tensorflow_import import import_tensorflow
from likewise.transforms import Counters, FittedTransform, OutputSpec

from .errors import TensorsNotFiniteError
from .history_file import History
from .metrics import Array
from .split import Part


@dataclass(frozen=True, slots=True)
class Examples:
    """Model inputs and labels of n rows: tensors by name, labels (n,) float32, weights (n,) float32 or None."""

    tensors: Mapping[str, Array]
    labels: Array
    weights: Array | None


@dataclass(frozen=True, slots=True)
class TrainingBatches:
    """A `tf.data.Dataset` without end, and how many of its batches are one epoch."""

    dataset: Any
    steps: int


def make_examples(history: History, part: Part, fitted: FittedTransform) -> Examples:
    """Return the examples of one part, in the order of the history.

    Raises
    ------
    HistoryChangedError
        When the history file is not what retrieval wrote.
    TensorsNotFiniteError
        When the transform lets NaN or infinity through, or makes infinities of numbers beyond float32: a network
        trained on them learns nothing. It says what was counted of which input column.
    """
    history.verify()
    counters = Counters()
    tensors = fitted.apply(history.inputs(part.positions), counters)
    for output in fitted.outputs:
        _check_finite(output, tensors[output.name], counters)
    return Examples(tensors, part.labels, part.weights)


def training_batches(examples: Examples, batch_size: int, seed: int) -> TrainingBatches:
    """Return an endless `tf.data.Dataset` of (tensors, labels[, weights]): each epoch in another order, each run alike.

    The rows that do not fill a last batch are left out of that epoch; the next epoch leaves out others.
    """
    tensorflow = import_tensorflow()
    rows = len(examples.labels)
    height = min(batch_size, rows)
    steps = rows // height
    columns = tensorflow.nest.map_structure(tensorflow.constant, _as_dataset(examples))

    # Order and batches are made by whole arrays; shuffling row by row took 7 s an epoch of 250,000 (2026-11).
    def epoch(number: Any) -> Any:
        order = tensorflow.random.experimental.stateless_shuffle(tensorflow.range(rows), [seed, number])
        return tensorflow.data.Dataset.from_tensor_slices(tensorflow.reshape(order[: steps * height], (steps, height)))

    def gather(batch: Any) -> Any:
        return tensorflow.nest.map_structure(lambda values: tensorflow.gather(values, batch), columns)

    counted = tensorflow.data.Dataset.counter()
    return TrainingBatches(counted.flat_map(epoch).map(gather).prefetch(2), steps)


def validation_batches(examples: Examples, batch_size: int) -> Any:
    """Return a `tf.data.Dataset` of (tensors, labels), in order, every row once; weights do not count here."""
    tensorflow = import_tensorflow()
    columns = tensorflow.nest.map_structure(tensorflow.constant, (dict(examples.tensors), examples.labels))

    def cut(start: Any) -> Any:
        return tensorflow.nest.map_structure(lambda values: values[start : start + batch_size], columns)

    return tensorflow.data.Dataset.range(0, len(examples.labels), batch_size).map(cut)


def _as_dataset(examples: Examples) -> tuple[Any, ...]:
    inputs = dict(examples.tensors)
    return (inputs, examples.labels) if examples.weights is None else (inputs, examples.labels, examples.weights)


def _check_finite(output: OutputSpec, tensor: Array, counters: Counters) -> None:
    wrong = ~np.isfinite(tensor)
    if wrong.any():
        by_column = wrong.reshape(len(tensor), -1)
        names = [output.columns[at] for at in np.flatnonzero(by_column.any(axis=0)).tolist()]
        counted: dict[tuple[str, str], int] = {key: count for key, count in counters if key[1] != "unseen"}
        raise TensorsNotFiniteError(output.name, names, int(by_column.any(axis=1).sum()), counted)
