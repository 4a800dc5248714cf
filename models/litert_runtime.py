"""The LiteRT runtime: a flatbuffer run by `ai-edge-litert`, without TensorFlow in the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from .errors import ModelFileError, ModelInputError
from .litert_operations import check_operations
from .tensors import Tensors, TensorSpec
from .tiles import MakeTile, fill

SIGNATURE = "serving_default"


def litert_tiles(content: bytes, specs: Sequence[TensorSpec], file: str) -> MakeTile:
    """Return a maker of tiles for a LiteRT file, once its operations are found allowed."""
    check_operations(content, file)
    return lambda height: LiteRtTile(content, specs, height, file)


class LiteRtTile:
    """An interpreter whose inputs are set to a fixed height once, so that no call allocates."""

    def __init__(self, content: bytes, specs: Sequence[TensorSpec], height: int, file: str) -> None:
        self._interpreter = _open(content, file)
        indexes = _indexes(self._interpreter, specs, file)
        for spec in specs:
            self._interpreter.resize_tensor_input(indexes[spec.name], (height, *spec.row_shape), strict=True)
        self._interpreter.allocate_tensors()
        self._inputs = [
            (spec.name, indexes[spec.name], np.zeros((height, *spec.row_shape), spec.dtype)) for spec in specs
        ]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def run(self, tensors: Tensors, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Return (stop - start,) float32."""
        interpreter = self._interpreter
        for name, index, buffer in self._inputs:
            interpreter.set_tensor(index, fill(buffer, tensors[name], start, stop))
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise ModelInputError("(any)", "values that the model can take", str(error)) from None
        prediction: np.ndarray[Any, Any] = interpreter.get_tensor(self._output).reshape(-1)
        return prediction[: stop - start]


def _open(content: bytes, file: str) -> Any:
    try:
        # One thread: the model takes microseconds, less than handing work to another thread would.
        return Interpreter(model_content=content, num_threads=1)
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(file, "a LiteRT model", str(error)) from None


def _indexes(interpreter: Any, specs: Sequence[TensorSpec], file: str) -> dict[str, int]:
    if SIGNATURE not in interpreter.get_signature_list():
        raise ModelFileError(file, f"a signature {SIGNATURE}", ", ".join(interpreter.get_signature_list()) or "none")
    details = interpreter.get_signature_runner(SIGNATURE).get_input_details()
    if set(details) != {spec.name for spec in specs}:
        raise ModelFileError(file, f"inputs {', '.join(spec.name for spec in specs)}", ", ".join(details) or "none")
    for spec in specs:
        got = details[spec.name]
        if np.dtype(got["dtype"]) != spec.dtype or tuple(got["shape_signature"][1:]) != spec.row_shape:
            described = f"{np.dtype(got['dtype'])} {tuple(got['shape_signature'])}"
            raise ModelFileError(file, f"input {spec.name} as {spec.dtype} (n, *{spec.row_shape})", described)
    return {name: int(detail["index"]) for name, detail in details.items()}
