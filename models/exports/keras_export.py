"""Writes a Keras export: a SavedModel folder that holds the same model as a `.keras` file and says how it is fed.

What is proved is what was written: both forms are loaded again, without any of our code in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.models.artifact import KERAS_FILE, ModelFiles, ModelMetadata, file_of
from likewise.models.exports.encoding import FedInput, fed_inputs, feed
from likewise.models.exports.errors import ExportBoundError, ExportReloadError, ModelNotExportableError
from likewise.models.exports.export_place import check_place, draft_beside
from likewise.models.exports.keras_model import composed_model, preprocessing_model
from likewise.models.exports.proof import BOUND, Measured, prove
from likewise.models.exports.proof_rows import ProofRows, proof_rows
from likewise.models.exports.tables import check_exportable
from likewise.models.keras_files import load_keras
from likewise.models.predictor import load_predictor
from likewise.models.tensorflow_import import import_keras, import_tensorflow
from likewise.transforms import FittedTransform

FACTS_FILE = "likewise.json"
FORMAT = 1
# Absolute, of a probability: its runtime's own bound, and what a tensor within `BOUND` can move.
PREDICTION_BOUND = 1e-5
PREDICTION, TENSORS = "serving_default", "tensors"

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ReleaseModel:
    """The model of a release, to stand behind its transform.

    Parameters
    ----------
    reference
        The release, as errors and the record name it.
    files
        The model artifact.
    """

    reference: str
    files: ModelFiles


@dataclass(frozen=True, slots=True)
class MeasuredPrediction:
    """How far predictions were seen from the release's, over rows whose tensors are all finite."""

    rows: int
    largest_absolute: float


@dataclass(frozen=True, slots=True)
class KerasExport:
    """What was written, and what was measured of it.

    Parameters
    ----------
    path
        The folder.
    measured
        Of each output of the transform.
    prediction
        Of the release's own predictions; None without a model.
    """

    path: Path
    measured: tuple[Measured, ...]
    prediction: MeasuredPrediction | None


def export_keras(fitted: FittedTransform, path: Path, model: ReleaseModel | None = None) -> KerasExport:
    """Write a fitted transform, and behind it a release's Keras model if given, as one SavedModel.

    Raises
    ------
    ExportUnavailableError
        When a step has no Keras form; before anything heavy is imported.
    ModelNotExportableError
        When the model has no Keras file.
    ExportPathError
        When something foreign is at `path`.
    ExportBoundError
        When what was written differs from the transform, or from the release's predictions, beyond the bound.
    """
    check_exportable(fitted, "keras")
    check_place(path, lambda place: (place / FACTS_FILE).is_file(), "Keras", is_folder=True)
    if model is not None and KERAS_FILE not in model.files.files:
        raise ModelNotExportableError(model.reference, ", ".join(sorted(model.files.files)) or "no file")
    fed, proof = fed_inputs(fitted), proof_rows(fitted, subnormals=False)
    inputs = feed(fed, proof.columns)
    preprocessing = preprocessing_model(fitted)
    whole = preprocessing if model is None else _composed(fitted, model)
    with draft_beside(path) as draft:
        _write(whole, preprocessing, draft)
        signatures = _reloaded(draft)
        measured = prove("Keras", fitted.outputs, proof, _run(signatures[TENSORS], inputs))
        of_file = _run(_loaded_file(draft), inputs)
        predicted = None
        if model is None:
            prove("Keras (model.keras)", fitted.outputs, proof, of_file)
        else:
            output = ModelMetadata.from_json(model.files.metadata).output
            wanted = load_predictor(model.files).predict(proof.expected)
            got = [_run(signatures[PREDICTION], inputs)[output], of_file[output]]
            predicted = max((_measured(wanted, each, proof) for each in got), key=lambda one: one.largest_absolute)
        facts = _facts(fitted, fed, measured) | _model_facts(model, predicted)
        (draft / FACTS_FILE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
    return KerasExport(path, measured, predicted)


def _composed(fitted: FittedTransform, model: ReleaseModel) -> Any:
    classifier = load_keras(file_of(model.files, KERAS_FILE), f"{model.reference} {KERAS_FILE}")
    return composed_model(fitted, classifier, ModelMetadata.from_json(model.files.metadata).output)


def _write(whole: Any, preprocessing: Any, draft: Path) -> None:
    """Write the SavedModel: what it answers by default, and the transform's tensors as a signature of their own."""
    keras, tensorflow = import_keras(), import_tensorflow()
    takes = {name: tensorflow.TensorSpec(t.shape, t.dtype, name=name) for name, t in whole.input.items()}
    archive = keras.export.ExportArchive()
    for model in (whole, preprocessing):
        archive.track(model)  # lookup tables of both go along
    archive.add_endpoint("serve", whole.__call__, [takes])
    archive.add_endpoint(TENSORS, preprocessing.__call__, [takes])
    archive.write_out(str(draft), verbose=False)
    whole.save(draft / "model.keras")


def _reloaded(draft: Path) -> Mapping[str, Any]:
    tensorflow = import_tensorflow()
    signatures: Mapping[str, Any] = tensorflow.saved_model.load(str(draft)).signatures
    return signatures


def _loaded_file(draft: Path) -> Any:
    keras = import_keras()
    try:
        model = keras.saving.load_model(draft / "model.keras", safe_mode=True, compile=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ExportReloadError("model.keras", f"{type(error).__name__}: {error}") from error
    return lambda **tensors: model(tensors)


def _run(function: Any, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
    tensorflow = import_tensorflow()
    return {k: np.asarray(v) for k, v in function(**{k: tensorflow.constant(v) for k, v in inputs.items()}).items()}


def _measured(wanted: npt.NDArray[Any], got: npt.NDArray[Any], proof: ProofRows) -> MeasuredPrediction:
    finite = np.ones(proof.rows, np.bool_)
    for tensor in proof.expected.values():
        finite &= np.isfinite(tensor.reshape(proof.rows, -1)).all(axis=1)
    difference = np.abs(wanted.astype(np.float64) - got.reshape(-1).astype(np.float64))[finite]
    rows, largest = int(finite.sum()), float(difference.max(initial=0.0))
    if not largest <= PREDICTION_BOUND:
        finding = f"predictions differ by up to {largest:.3g} over {rows} rows, bound {PREDICTION_BOUND:g}"
        raise ExportBoundError("Keras", [finding])
    return MeasuredPrediction(rows, largest)


def _facts(fitted: FittedTransform, fed: tuple[FedInput, ...], measured: tuple[Measured, ...]) -> dict[str, Any]:
    """Return what stands beside the model: how it is fed, what it gives, and what was measured."""
    return {
        "format": FORMAT,
        "transform": {"name": fitted.name, "digest": fitted.digest, "feature_service": fitted.feature_service},
        "inputs": [one.describe() for one in fed],
        "tensors": [
            {"name": s.name, "dtype": s.dtype, "shape": ["n", *s.shape], "columns": list(s.columns)}
            for s in fitted.outputs
        ],
        "subnormal_numbers": "TensorFlow takes numbers below 2.2e-308 in size for 0",
        "refused_by_policy": "numbers become NaN, codes -1, predictions NaN; a graph has no errors of its own",
        "bound": {"relative": BOUND, "codes": "equal"},
        "measured": [one.to_json() for one in measured],
        "versions": {name: version(name) for name in ("keras", "tensorflow-cpu", "numpy")},
    }


def _model_facts(model: ReleaseModel | None, predicted: MeasuredPrediction | None) -> dict[str, Any]:
    """Return what the signatures give, and of a release's model what was measured."""
    by_default = "the transform's tensors" if model is None else "the release's prediction"
    facts: dict[str, Any] = {"signatures": {PREDICTION: by_default, TENSORS: "the transform's tensors"}}
    if model is not None and predicted is not None:
        facts["release"] = model.reference
        facts["prediction"] = {"bound": PREDICTION_BOUND, "measured": asdict(predicted)}
    return facts
