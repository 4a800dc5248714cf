"""Golden predictions: tensors and what the published runtime made of them, kept beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from .errors import ModelFileError, ModelGoldenError
from .tensors import Tensors, TensorSpec, check_tensors

PREDICTION = "prediction"
TENSOR_PREFIX = "tensor/"


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows with their predictions: tensors of g rows, prediction (g,) float32."""

    tensors: Tensors
    prediction: np.ndarray[Any, Any]

    def to_bytes(self) -> bytes:
        """Return the rows as one safetensors file."""
        arrays = {TENSOR_PREFIX + name: np.ascontiguousarray(array) for name, array in self.tensors.items()}
        return safetensors.numpy.save({**arrays, PREDICTION: self.prediction})

    @classmethod
    def from_bytes(cls, content: bytes, specs: Sequence[TensorSpec], file: str) -> Golden:
        """Return the rows of a safetensors file, checked against the model's inputs."""
        try:
            arrays = safetensors.numpy.load(content)
        except SafetensorError as error:
            raise ModelFileError(file, "a safetensors file", str(error)) from None
        expected = {PREDICTION, *(TENSOR_PREFIX + spec.name for spec in specs)}
        if set(arrays) != expected:
            raise ModelFileError(file, ", ".join(sorted(expected)), ", ".join(sorted(arrays)) or "nothing")
        tensors = {spec.name: arrays[TENSOR_PREFIX + spec.name] for spec in specs}
        rows, prediction = check_tensors(specs, tensors), arrays[PREDICTION]
        if not rows or prediction.shape != (rows,) or prediction.dtype != np.float32:
            raise ModelFileError(
                file, f"{rows or 'some'} predictions, float32", f"{prediction.dtype} {prediction.shape}"
            )
        return cls(tensors, prediction)

    def check(self, prediction: np.ndarray[Any, Any], bound: float) -> None:
        """Compare predictions of these rows with the recorded ones; NaN agrees with NaN only.

        Raises
        ------
        ModelGoldenError
            When any row differs by more than the bound.
        """
        difference = np.abs(prediction.astype(np.float64) - self.prediction.astype(np.float64))
        both_missing = np.isnan(prediction) & np.isnan(self.prediction)
        wrong = ~(both_missing | (difference <= bound))
        if wrong.any():
            raise ModelGoldenError(int(wrong.sum()), float(np.nanmax(difference[wrong], initial=0.0)), bound)


def take_rows(tensors: Tensors, rows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the same rows of every tensor."""
    return {name: np.ascontiguousarray(tensor[rows]) for name, tensor in tensors.items()}
