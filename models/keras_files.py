"""Keras models to bytes and back, through a temporary file because Keras reads and writes paths only."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from .errors import ModelFileError
from .keras_config import check_keras_file
from .tensorflow_import import import_keras


def keras_bytes(model: Any) -> bytes:
    """Return a model as a `.keras` file without its optimizer, once every layer is found allowed."""
    keras = import_keras()
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with tempfile.TemporaryDirectory(prefix="likewise-") as folder:
        path = Path(folder) / "model.keras"
        bare.save(path)
        content = path.read_bytes()
    check_keras_file(content, "model.keras")
    return content


def load_keras(content: bytes, file: str) -> Any:
    """Return the model of a `.keras` file: layers checked first, then loaded with `safe_mode=True`, not compiled."""
    check_keras_file(content, file)
    keras = import_keras()
    with tempfile.TemporaryDirectory(prefix="likewise-") as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        try:
            # Keras only warns when weights are absent or don't fit, and goes on with random ones.
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, KeyError, OSError, UserWarning) as error:
            raise ModelFileError(file, "a Keras 3 model", f"{type(error).__name__}: {error}") from None
