from collections.abc import Callable

import numpy as np
import pytest

from likewise.models import TensorSpec
from likewise.models.errors import ModelFileError, ModelInputError, TensorSpecError
from likewise.models.tensors import check_tensors
from tests.models.write_artifact import SPECS, random_tensors


def test_right_tensors_give_their_number_of_rows() -> None:
    """The check returns n, also for no rows and for one."""
    assert [check_tensors(SPECS, random_tensors(rows)) for rows in (0, 1, 5)] == [0, 1, 5]


def test_other_tensors_are_ignored() -> None:
    """A transform may have outputs that this model does not take."""
    assert check_tensors(SPECS, random_tensors(3) | {"other": np.zeros(9)}) == 3


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("numbers", lambda tensor: tensor.astype(np.float64)),
        ("numbers", lambda tensor: tensor[:, :4]),
        ("numbers", lambda tensor: tensor[:, 0]),
        ("numbers", lambda tensor: tensor[0]),
        ("carrier", lambda tensor: tensor.astype(np.int64)),
        ("carrier", lambda tensor: tensor[:-1]),
        ("carrier", lambda tensor: tensor[:, None]),
        ("route", lambda tensor: tensor - 41),
        ("route", lambda tensor: tensor + 40),
    ],
)
@pytest.mark.parametrize("rows", [1, 6])
def test_a_tensor_that_differs_is_named(name: str, change: Callable, rows: int) -> None:
    """Another dtype, width, number of rows, or a code beyond the vocabulary is an error that names the tensor."""
    tensors = random_tensors(rows)
    tensors[name] = change(tensors[name])
    with pytest.raises(ModelInputError, match=f"{name}.*expected.*got"):
        check_tensors(SPECS, tensors)


def test_an_absent_tensor_is_named() -> None:
    """The message says which tensor is wanted and which there are."""
    tensors = random_tensors(2)
    del tensors["carrier"]
    with pytest.raises(ModelInputError, match=r"carrier.*only numbers, route"):
        check_tensors(SPECS, tensors)


def test_specs_survive_json() -> None:
    """A spec read back is the spec that was written."""
    assert [TensorSpec.from_json("metadata", spec.to_json()) for spec in SPECS] == list(SPECS)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"name": "a"},
        {"name": "a", "dtype": "float32", "width": "5", "cardinality": None},
        {"name": "a", "dtype": "float32", "width": True, "cardinality": None},
    ],
)
def test_damaged_specs_are_refused(value: object) -> None:
    """A spec with absent or mistyped fields is an error of its file."""
    with pytest.raises(ModelFileError):
        TensorSpec.from_json("metadata", value)


@pytest.mark.parametrize(("dtype", "cardinality"), [("float64", None), ("int32", None), ("int32", 0)])
def test_outputs_that_no_model_can_take_are_refused(dtype: str, cardinality: int | None) -> None:
    """Only float32, and int32 with a known number of codes, can be model inputs."""
    with pytest.raises(TensorSpecError):
        TensorSpec("a", dtype, None, cardinality)
