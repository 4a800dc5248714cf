"""Tests that need TensorFlow (8 s to import, once for this file and those of training)."""

import io
import re
import zipfile
from typing import Any

import numpy as np
import pytest

from likewise.models import KerasFunction, ModelArtifact, TensorSpec, WideAndDeep, load_predictor
from likewise.models.errors import ForbiddenPartError, ModelFileError, TensorSpecError
from likewise.models.keras_files import keras_bytes, load_keras
from likewise.models.packaging import BOUND, ModelRecord, package_model
from likewise.models.tensorflow_import import import_keras
from tests.models.write_artifact import SPECS, random_tensors

pytestmark = pytest.mark.slow
RECORD = ModelRecord("late")


def trained_like(model: Any, seed: int = 1) -> Any:
    """Return the model with random weights everywhere, as a trained one has."""
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(scale=0.3, size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return trained_like(WideAndDeep(hidden=(16, 8)).build(SPECS))


@pytest.fixture(scope="module")
def artifact(model: Any) -> ModelArtifact:
    return package_model(model, SPECS, random_tensors(500), RECORD)


def of_runtime(artifact: ModelArtifact, runtime: str) -> ModelArtifact:
    """Return the artifact as if it had been published for another runtime."""
    return ModelArtifact(artifact.files, {**artifact.metadata, "runtime": runtime})


def test_a_convertible_model_serves_by_litert_within_the_bound(model: Any, artifact: ModelArtifact) -> None:
    """LiteRT is chosen when it agrees with Keras within the bound, on rows beyond the golden ones too."""
    assert artifact.metadata["runtime"] == "litert"
    assert artifact.metadata["measured"]["largest_difference_from_keras"] <= BOUND
    rows = random_tensors(300, seed=9)
    keras_says = model.predict(rows, verbose=0).reshape(-1)
    assert np.abs(load_predictor(artifact).predict(rows) - keras_says).max() <= BOUND


def test_no_memory_address_reaches_the_file(model: Any) -> None:
    """Shared objects are known by their place in the file: in another process the same model has the same bytes."""
    config = zipfile.ZipFile(io.BytesIO(keras_bytes(model))).read("config.json").decode()
    numbers = [int(found) for found in re.findall(r'"shared_object_id": (\d+)', config)]
    assert numbers
    assert set(numbers) == set(range(1, len(set(numbers)) + 1))


def test_the_same_training_gives_the_same_bytes(artifact: ModelArtifact) -> None:
    """A model built and filled alike, in a process that built others before, gives the same artifact byte for byte."""
    again = trained_like(WideAndDeep(hidden=(16, 8)).build(SPECS))
    assert package_model(again, SPECS, random_tensors(500), RECORD) == artifact


def test_both_runtimes_pass_the_same_golden_rows(artifact: ModelArtifact) -> None:
    """Golden predictions made by LiteRT hold for TensorFlow, within the bound."""
    for runtime in ("litert", "tensorflow"):
        load_predictor(of_runtime(artifact, runtime)).check_golden()


@pytest.mark.parametrize("rows", [1, 2, 33, 64])
def test_tensorflow_gives_a_row_the_same_bits_in_any_batch(rows: int, artifact: ModelArtifact) -> None:
    """The TensorFlow runtime keeps rows apart too, by fixed heights."""
    predictor, tensors = load_predictor(of_runtime(artifact, "tensorflow")), random_tensors(rows, seed=rows)
    alone = [predictor.predict({name: tensor[[row]] for name, tensor in tensors.items()})[0] for row in range(rows)]
    assert np.array_equal(predictor.predict(tensors), np.array(alone))


def test_golden_rows_span_the_predictions(artifact: ModelArtifact) -> None:
    """The golden rows hold the lowest and the highest prediction of the rows given, and those between."""
    predictor = load_predictor(artifact)
    everything = predictor.predict(random_tensors(500))
    golden = predictor._golden.prediction
    assert len(golden) == 64
    assert (golden.min(), golden.max()) == (everything.min(), everything.max())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"dtype": "float64"}, "LiteRT lacks .*MatMul"), ({"activation": "sparsemax"}, "TOPK_V2")],
)
def test_a_model_that_litert_cannot_take_serves_by_tensorflow(settings: dict, reason: str) -> None:
    """What does not convert, or converts to operations beyond the list, runs on TensorFlow, and why is recorded."""

    def build(specs: Any) -> Any:
        keras = import_keras()
        numbers = keras.Input(specs[0].row_shape, name=specs[0].name)
        hidden = keras.layers.Dense(6, **settings)(numbers)
        return keras.Model({"numbers": numbers}, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(hidden))

    artifact = package_model(trained_like(KerasFunction(build).build(SPECS[:1])), SPECS[:1], random_tensors(80), RECORD)
    assert artifact.metadata["runtime"] == "tensorflow"
    assert re.search(reason, artifact.metadata["measured"]["not_litert_because"])
    assert "model.tflite" not in artifact.files
    load_predictor(artifact).check_golden()


def test_a_lambda_layer_is_refused_at_publish_time() -> None:
    """A model that could not be loaded safely is never published."""
    keras = import_keras()
    numbers = keras.Input((5,), name="numbers")
    doubled = keras.layers.Lambda(lambda values: values * 2, output_shape=(5,))(numbers)
    model = keras.Model({"numbers": numbers}, keras.layers.Dense(1, activation="sigmoid")(doubled))
    with pytest.raises(ForbiddenPartError, match="Lambda"):
        keras_bytes(model)


def test_keras_files_come_back_with_their_weights(model: Any) -> None:
    """A model written and read predicts the same bits."""
    found = load_keras(keras_bytes(model), "model.keras")
    rows = random_tensors(40)
    assert np.array_equal(found.predict(rows, verbose=0), model.predict(rows, verbose=0))


def test_weights_of_another_shape_are_refused(artifact: ModelArtifact, model: Any) -> None:
    """A file whose weights do not fit its own configuration is an error of the file."""
    wider = zipfile.ZipFile(io.BytesIO(keras_bytes(WideAndDeep(hidden=(24, 8)).build(SPECS))))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as mixed, zipfile.ZipFile(io.BytesIO(keras_bytes(model))) as own:
        for name in own.namelist():
            mixed.writestr(name, (wider if name.endswith("h5") else own).read(name))
    with pytest.raises(ModelFileError):
        load_keras(buffer.getvalue(), "model.keras")


def test_the_same_seed_gives_the_same_first_weights() -> None:
    """Building a model twice gives the same bits, and another seed others."""
    first, second, other = (WideAndDeep(seed=seed).build(SPECS).get_weights() for seed in (5, 5, 6))
    assert all(map(np.array_equal, first, second))
    assert not all(map(np.array_equal, first, other))


def test_a_float_tensor_without_width_is_an_input_like_others() -> None:
    """A single float column of shape (n,) needs no special care."""
    specs = [SPECS[1], TensorSpec("single", "float32", None)]
    random = np.random.default_rng(1)
    tensors = {"carrier": random_tensors(60)["carrier"], "single": random.normal(size=60).astype(np.float32)}
    artifact = package_model(trained_like(WideAndDeep().build(specs)), specs, tensors, RECORD)
    assert artifact.metadata["runtime"] == "litert"
    load_predictor(artifact).check_golden()


def test_several_codes_a_row_are_refused() -> None:
    """An integer tensor with a width is refused when the model is built."""
    with pytest.raises(TensorSpecError, match="pair"):
        WideAndDeep().build([TensorSpec("pair", "int32", 2, 9)])
