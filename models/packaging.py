"""Package a trained Keras model: convert, prove against Keras, choose the runtime, record golden predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from .artifact import GOLDEN_FILE, KERAS_FILE, LITERT_FILE, ModelArtifact, ModelMetadata
from .errors import ConversionError, ForbiddenPartError, ModelGoldenError
from .golden import Golden, take_rows
from .keras_files import keras_bytes
from .litert_conversion import convert_to_litert
from .litert_runtime import litert_tiles
from .predictor import Predictor
from .tensorflow_runtime import tensorflow_tiles
from .tensors import TensorLike, Tensors, TensorSpec, check_tensors

# Absolute, of a probability. Keras and LiteRT were seen to differ by 3e-7 at most (2026-11); five times that.
BOUND = 1.5e-6
GOLDEN_ROWS = 64
_KERAS_ROWS = 8192
_LIBRARIES = ("keras", "tensorflow-cpu", "ai-edge-litert", "numpy")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What is written down beside a model: the name of its output, its family's settings, its bound."""

    output: str
    family: Mapping[str, Any] = field(default_factory=dict)
    bound: float = BOUND


def package_model(model: Any, outputs: Sequence[TensorLike], tensors: Tensors, record: ModelRecord) -> ModelArtifact:
    """Return the artifact of a trained model.

    Parameters
    ----------
    model
        A `keras.Model` with one input a transform output and one probability.
    outputs
        The transform's outputs.
    tensors
        Held-out rows, n of them. On all of them LiteRT must agree with Keras within the bound, else the artifact runs
        on TensorFlow; up to 64, spread over the range of predictions, become the golden rows.
    record
        What else to write down.
    """
    specs = tuple(TensorSpec.of(output) for output in outputs)
    rows = check_tensors(specs, tensors)
    keras_file = keras_bytes(model)
    reference = _keras_prediction(model, specs, tensors)
    golden_rows = _spread(reference, min(GOLDEN_ROWS, rows))
    golden = Golden(take_rows({spec.name: tensors[spec.name] for spec in specs}, golden_rows), reference[golden_rows])
    metadata = ModelMetadata("litert", specs, record.output, record.bound, {}, record.family, _libraries())
    try:
        litert_file = convert_to_litert(model)
        predictor = Predictor(metadata, golden, litert_tiles(litert_file, specs, LITERT_FILE))
        measured = _compare(predictor, tensors, reference, record.bound)
        files = {KERAS_FILE: keras_file, LITERT_FILE: litert_file}
    except (ConversionError, ForbiddenPartError, ModelGoldenError) as error:
        metadata = replace(metadata, runtime="tensorflow")
        predictor = Predictor(metadata, golden, tensorflow_tiles(keras_file, specs, KERAS_FILE))
        measured = {**_compare(predictor, tensors, reference, record.bound), "not_litert_because": error.message}
        files = {KERAS_FILE: keras_file}
    recorded = replace(golden, prediction=predictor.predict(golden.tensors))
    return ModelArtifact({**files, GOLDEN_FILE: recorded.to_bytes()}, replace(metadata, measured=measured).to_json())


def _keras_prediction(model: Any, specs: Sequence[TensorSpec], tensors: Tensors) -> np.ndarray[Any, Any]:
    rows = len(tensors[specs[0].name])
    parts = [
        model.predict_on_batch({spec.name: tensors[spec.name][start : start + _KERAS_ROWS] for spec in specs})
        for start in range(0, rows, _KERAS_ROWS)
    ]
    return np.concatenate(parts).astype(np.float32).reshape(-1)


def _compare(predictor: Predictor, tensors: Tensors, reference: np.ndarray[Any, Any], bound: float) -> dict[str, Any]:
    prediction = predictor.predict(tensors)
    Golden(tensors, reference).check(prediction, bound)
    difference = np.abs(prediction.astype(np.float64) - reference.astype(np.float64))
    return {
        "largest_difference_from_keras": float(np.nanmax(difference, initial=0.0)),
        "rows_compared": len(reference),
        "tile_heights": list(predictor.tile_heights),
    }


def _spread(prediction: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Return the positions of `count` rows, evenly spaced in the order of their predictions."""
    order = np.argsort(prediction, kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)])


def _libraries() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}
