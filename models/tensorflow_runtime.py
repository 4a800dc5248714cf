"""The TensorFlow runtime, for Keras models that LiteRT can't take; it alone needs TensorFlow in the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import ModelFileError
from .keras_files import load_keras
from .tensorflow_import import import_tensorflow
from .tensors import Tensors, TensorSpec
from .tiles import MakeTile, fill


def tensorflow_tiles(content: bytes, specs: Sequence[TensorSpec], file: str) -> MakeTile:
    """Return a maker of tiles for a `.keras` file; the file is checked and loaded once, here."""
    model = load_keras(content, file)
    names = {tensor.name for tensor in model.inputs}
    if names != {spec.name for spec in specs}:
        raise ModelFileError(file, f"inputs {', '.join(spec.name for spec in specs)}", ", ".join(sorted(names)))
    return lambda height: TensorFlowTile(model, specs, height)


class TensorFlowTile:
    """A traced function of fixed input shapes."""

    def __init__(self, model: Any, specs: Sequence[TensorSpec], height: int) -> None:
        tensorflow = import_tensorflow()
        shapes = [tensorflow.TensorSpec((height, *spec.row_shape), spec.dtype) for spec in specs]
        names = [spec.name for spec in specs]
        traced = tensorflow.function(lambda *inputs: model(dict(zip(names, inputs, strict=True)), training=False))
        self._concrete = traced.get_concrete_function(*shapes)
        self._constant = tensorflow.constant
        self._buffers = {spec.name: np.zeros((height, *spec.row_shape), spec.dtype) for spec in specs}

    def run(self, tensors: Tensors, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Return (stop - start,) float32."""
        inputs = [self._constant(fill(buffer, tensors[name], start, stop)) for name, buffer in self._buffers.items()]
        prediction: np.ndarray[Any, Any] = self._concrete(*inputs).numpy().reshape(-1)
        return prediction[: stop - start]
