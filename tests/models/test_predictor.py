import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from likewise.models import ModelArtifact, ModelGoldenError, load_predictor
from likewise.models.errors import ModelError, ModelFileError, ModelInputError
from likewise.models.golden import Golden
from tests.models.conftest import FROZEN
from tests.models.write_artifact import SPECS, random_tensors


def test_the_frozen_artifact_still_gives_its_predictions(frozen_artifact: ModelArtifact) -> None:
    """An artifact written when format 1 shipped loads and passes its golden check with today's code."""
    load_predictor(frozen_artifact).check_golden()


@pytest.mark.parametrize("rows", [2, 31, 32, 33, 64, 100])
def test_a_row_gets_the_same_bits_alone_and_in_any_batch(rows: int, frozen_artifact: ModelArtifact) -> None:
    """The bound between a batch and its rows one by one is zero, wherever the row stands."""
    predictor, tensors = load_predictor(frozen_artifact), random_tensors(rows, seed=rows)
    alone = [predictor.predict({name: tensor[[row]] for name, tensor in tensors.items()})[0] for row in range(rows)]
    assert np.array_equal(predictor.predict(tensors), np.array(alone))
    turned = {name: np.ascontiguousarray(tensor[::-1]) for name, tensor in tensors.items()}
    assert np.array_equal(predictor.predict(turned), np.array(alone)[::-1])


def test_the_rows_beside_a_row_do_not_matter(frozen_artifact: ModelArtifact) -> None:
    """NaN, infinity and huge numbers in other rows leave a row's bits alone, in this call and in later ones."""
    predictor, tensors = load_predictor(frozen_artifact), random_tensors(20)
    clean = predictor.predict(tensors)
    tensors["numbers"][[0, 5, 19]] = np.float32([[np.nan], [np.inf], [3e38]])
    assert np.array_equal(np.delete(predictor.predict(tensors), [0, 5, 19]), np.delete(clean, [0, 5, 19]))
    assert np.array_equal(predictor.predict(random_tensors(20)), clean)


def test_no_rows_give_no_predictions(frozen_artifact: ModelArtifact) -> None:
    """An empty batch is answered with an empty array of the right dtype."""
    prediction = load_predictor(frozen_artifact).predict(random_tensors(0))
    assert (prediction.shape, prediction.dtype) == ((0,), np.float32)


def test_layout_does_not_matter(frozen_artifact: ModelArtifact) -> None:
    """Fortran order and strided views are read right."""
    predictor, tensors = load_predictor(frozen_artifact), random_tensors(80)
    strided = {name: np.asfortranarray(tensor)[::2] for name, tensor in tensors.items()}
    assert np.array_equal(predictor.predict(strided), predictor.predict(tensors)[::2])


def test_predictions_are_safe_from_threads(frozen_artifact: ModelArtifact) -> None:
    """Threads that share a predictor get what one thread gets."""
    predictor = load_predictor(frozen_artifact)
    batches = [random_tensors(rows, seed=rows) for rows in range(1, 61)]
    expected = [predictor.predict(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert all(map(np.array_equal, pool.map(predictor.predict, batches), expected))


def test_earlier_answers_stay_as_they_were(frozen_artifact: ModelArtifact) -> None:
    """An answer is not a view of memory that the next call writes."""
    predictor = load_predictor(frozen_artifact)
    first = predictor.predict(random_tensors(1, seed=1))
    kept = first.copy()
    predictor.predict(random_tensors(1, seed=2))
    assert np.array_equal(first, kept)


def test_wrong_tensors_are_refused_and_the_next_call_works(frozen_artifact: ModelArtifact) -> None:
    """A refused call leaves the predictor whole."""
    predictor = load_predictor(frozen_artifact)
    with pytest.raises(ModelInputError):
        predictor.predict(random_tensors(3) | {"route": np.full(3, 40, np.int32)})
    predictor.check_golden()


def test_other_weights_fail_the_golden_check(frozen_artifact: ModelArtifact) -> None:
    """A model file whose numbers differ from those published is found at load."""
    content = bytearray(frozen_artifact.files["model.tflite"])
    # Flip bits in the middle of each long run of weights; the flatbuffer stays well-formed.
    weights = np.frombuffer(content, np.float32)
    plausible = np.flatnonzero((np.abs(weights) > 0.01) & (np.abs(weights) < 2))
    weights = weights.copy()
    weights[plausible] *= np.float32(1.5)
    other = replace(frozen_artifact, files={**frozen_artifact.files, "model.tflite": weights.tobytes()})
    with pytest.raises(ModelGoldenError):
        load_predictor(other).check_golden()


def test_other_golden_predictions_fail_the_check(frozen_artifact: ModelArtifact) -> None:
    """Golden predictions of another model are not those of this one."""
    golden = Golden.from_bytes(frozen_artifact.files["golden.safetensors"], SPECS, "golden")
    moved = replace(golden, prediction=golden.prediction + np.float32(1e-5))
    other = replace(frozen_artifact, files={**frozen_artifact.files, "golden.safetensors": moved.to_bytes()})
    with pytest.raises(ModelGoldenError):
        load_predictor(other).check_golden()


@pytest.mark.parametrize("name", ["model.tflite", "golden.safetensors"])
@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[: len(content) // 2], None])
def test_damaged_or_absent_files_are_refused(name: str, damage: object, frozen_artifact: ModelArtifact) -> None:
    """A file that is cut, empty or not there is an error that names it."""
    files = dict(frozen_artifact.files)
    content = files.pop(name)
    if callable(damage):
        files[name] = damage(content)
    with pytest.raises(ModelFileError, match=name):
        load_predictor(replace(frozen_artifact, files=files))


def test_inputs_that_the_file_does_not_have_are_refused(frozen_artifact: ModelArtifact) -> None:
    """Metadata that names other inputs than the model file is refused at load, not at the first request."""
    inputs = [spec.to_json() for spec in SPECS]
    inputs[0]["width"] = 4
    with pytest.raises(ModelError):
        load_predictor(replace(frozen_artifact, metadata={**frozen_artifact.metadata, "inputs": inputs}))


def test_predicting_by_litert_loads_no_tensorflow() -> None:
    """A server that predicts by LiteRT holds neither TensorFlow nor Keras in its process."""
    code = f"""
import json, pathlib, sys
from likewise.models import ModelArtifact, load_predictor
folder = pathlib.Path({str(FROZEN)!r})
files = {{path.name: path.read_bytes() for path in folder.iterdir()}}
load_predictor(ModelArtifact(files, json.loads(files["metadata.json"]))).check_golden()
print(sorted({{"tensorflow", "keras", "sklearn", "matplotlib", "feast"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
