from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from likewise.models.errors import ModelFileError, ModelGoldenError, ModelInputError
from likewise.models.golden import Golden
from tests.models.write_artifact import SPECS, random_tensors

GOLDEN = Golden(random_tensors(6), np.linspace(0, 1, 6, dtype=np.float32))


def test_golden_rows_survive_their_file() -> None:
    """Tensors and predictions come back bit for bit."""
    found = Golden.from_bytes(GOLDEN.to_bytes(), SPECS, "golden")
    assert np.array_equal(found.prediction, GOLDEN.prediction)
    assert all(np.array_equal(found.tensors[spec.name], GOLDEN.tensors[spec.name]) for spec in SPECS)


def test_a_difference_within_the_bound_passes() -> None:
    """The bound itself still passes."""
    GOLDEN.check(GOLDEN.prediction + np.float32(1e-7), bound=1e-6)


def test_a_difference_above_the_bound_is_measured() -> None:
    """The error counts the rows and says how far off the farthest is."""
    wrong = GOLDEN.prediction.copy()
    wrong[[2, 4]] += np.float32([0.125, 0.25])
    with pytest.raises(ModelGoldenError, match=r"2 rows differ by up to 0\.25") as caught:
        GOLDEN.check(wrong, bound=1e-6)
    assert (caught.value.rows, caught.value.bound) == (2, 1e-6)


def test_nan_agrees_with_nan_only() -> None:
    """A prediction that became NaN, or ceased to be, is a difference."""
    missing = GOLDEN.prediction.copy()
    missing[0] = np.nan
    replace(GOLDEN, prediction=missing).check(missing, bound=1e-6)
    for recorded, got in [(GOLDEN.prediction, missing), (missing, GOLDEN.prediction)]:
        with pytest.raises(ModelGoldenError):
            replace(GOLDEN, prediction=recorded).check(got, bound=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no safetensors",
        GOLDEN.to_bytes()[:-3],
        safetensors.numpy.save({"prediction": GOLDEN.prediction}),
        replace(GOLDEN, prediction=GOLDEN.prediction[:3]).to_bytes(),
        replace(GOLDEN, prediction=GOLDEN.prediction.astype(np.float64)).to_bytes(),
        Golden(random_tensors(0), np.empty(0, np.float32)).to_bytes(),
    ],
)
def test_damaged_golden_files_are_refused(content: bytes) -> None:
    """A file that is cut, of other content, incomplete or empty never counts as proof."""
    with pytest.raises(ModelFileError):
        Golden.from_bytes(content, SPECS, "golden")


def test_golden_tensors_of_another_model_are_refused() -> None:
    """Tensors that the model can't take are refused before anything is predicted."""
    other = Golden(random_tensors(6) | {"numbers": np.zeros((6, 4), np.float32)}, GOLDEN.prediction)
    with pytest.raises(ModelInputError):
        Golden.from_bytes(other.to_bytes(), SPECS, "golden")
