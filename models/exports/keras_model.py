"""A fitted transform as a Keras model, alone or in front of a classifier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from likewise.models.exports.algebra import ListHandle
from likewise.models.exports.columns import ExportColumn, NumberColumn, RawList, RawText, TimeColumn
from likewise.models.exports.encoding import MISSING_INTEGER, FedInput, fed_inputs
from likewise.models.exports.keras_algebra import KerasAlgebra
from likewise.models.exports.lowering import lowered
from likewise.models.exports.tables import check_exportable
from likewise.models.tensorflow_import import import_keras
from likewise.transforms import FittedTransform, LogicalType


def preprocessing_model(fitted: FittedTransform) -> Any:
    """Return a `keras.Model` from raw columns to the transform's tensors, of Keras' own operations only.

    Its inputs are those of `likewise.models.exports.encoding.fed_inputs`, its outputs a dict by output name, with
    the shapes and dtypes of `FittedTransform.apply`.

    Raises
    ------
    ExportUnavailableError
        When a step has no Keras form; before Keras is imported.
    """
    graph = _graph(fitted)
    return import_keras().Model(graph.inputs, graph.tensors, name="preprocessing")


def composed_model(fitted: FittedTransform, classifier: Any, output: str) -> Any:
    """Return one `keras.Model` from raw columns to the prediction (n,) of a classifier of the transform's tensors.

    The prediction of a row that a policy of "error" refuses is NaN, whatever the classifier makes of such rows.
    """
    graph = _graph(fitted)
    keras = import_keras()
    # Keras takes a code of -1 for the last one.
    tensors = {s.name: _codes_from_0(keras, graph.tensors[s.name], s.dtype) for s in fitted.outputs}
    # A release's model was saved with its inputs in a list; their names are those of the tensors.
    prediction = classifier([tensors[given.name] for given in classifier.inputs])
    single = keras.ops.reshape(prediction[0] if isinstance(prediction, (list, tuple)) else prediction, (-1,))
    for refused in graph.refused:
        single = keras.ops.where(keras.ops.any(refused, axis=1), np.full(1, np.nan, np.float32), single)
    return keras.Model(graph.inputs, {output: single}, name="raw_columns_to_prediction")


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """Symbolic tensors of a transform: what is fed, what comes out, and where a policy refused."""

    inputs: dict[str, Any]
    tensors: dict[str, Any]
    refused: tuple[Any, ...]


def _graph(fitted: FittedTransform) -> _Graph:
    check_exportable(fitted, "keras")
    fed = fed_inputs(fitted)
    keras = import_keras()
    inputs = _inputs(keras, fed)
    algebra = KerasAlgebra(inputs)
    columns = _raw_columns(algebra, fed, inputs)
    blocks = lowered(fitted, "keras", columns.__getitem__)
    tensors = {}
    for spec in fitted.outputs:
        held = keras.ops.cast(blocks[spec.name].held, spec.dtype)
        tensors[spec.name] = keras.ops.squeeze(held, 1) if spec.width is None else held
    return _Graph(inputs, tensors, tuple(algebra.refused))


def _codes_from_0(keras: Any, tensor: Any, dtype: str) -> Any:
    return tensor if dtype == "float32" else keras.ops.maximum(tensor, 0)


def _inputs(keras: Any, fed: Sequence[FedInput]) -> dict[str, Any]:
    tensors = {}
    for one in fed:
        shape = (None,) if one.type.is_list else ()
        tensors[one.name] = keras.Input(shape, name=one.name, dtype=one.dtype)
        if one.length_name is not None:
            tensors[one.length_name] = keras.Input((), name=one.length_name, dtype="int64")
    return tensors


def _raw_columns(algebra: KerasAlgebra, fed: Sequence[FedInput], tensors: Mapping[str, Any]) -> dict[str, ExportColumn]:
    return {one.column: _raw_column(algebra, one, tensors) for one in fed}


def _raw_column(algebra: KerasAlgebra, one: FedInput, tensors: Mapping[str, Any]) -> ExportColumn:
    if one.length_name is not None:
        handle = ListHandle(one.name, _element(one.type))
        return RawList(handle, algebra.block(tensors[one.length_name]) < 0)
    if one.dtype == "string":
        return RawText(algebra, one.name)
    block = algebra.block(tensors[one.name])
    if one.dtype == "float64":
        # + 0 makes -0 to 0, as a column does.
        return NumberColumn(block + 0.0)
    absent = block.equals(MISSING_INTEGER)
    if one.type is LogicalType.TIME:
        return TimeColumn(block, absent)
    return NumberColumn(algebra.where(absent, math.nan, algebra.numbers(block)), block)


def _element(logical: LogicalType) -> str:
    element = logical.element
    return "number" if element.is_numeric else element.value
