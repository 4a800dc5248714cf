"""Keras models to bytes and back, through a temporary file because Keras reads and writes paths only."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from .errors import ModelFileError
from .keras_config import check_keras_file
from .tensorflow_import import import_keras

_DATE = "1980-01-01@00:00:00"


def keras_bytes(model: Any) -> bytes:
    """Return a model as a `.keras` file without its optimizer, once every layer is found allowed."""
    keras = import_keras()
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with tempfile.TemporaryDirectory(prefix="likewise-") as folder:
        path = Path(folder) / "model.keras"
        bare.save(path)
        content = _canonical(path)
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


def _canonical(path: Path) -> bytes:
    """Return the file packed anew, so that the same model always gives the same bytes: one date, objects by number."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as written, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(written.namelist()):
            content = written.read(name)
            if name == "metadata.json":
                content = json.dumps({**json.loads(content), "date_saved": _DATE}, sort_keys=True).encode()
            elif name == "config.json":
                content = json.dumps(_with_numbered_objects(json.loads(content), {})).encode()
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _with_numbered_objects(config: Any, numbers: dict[int, int]) -> Any:
    """Return a config whose shared objects are known by their place; Keras writes memory addresses there."""
    if isinstance(config, list):
        return [_with_numbered_objects(value, numbers) for value in config]
    if not isinstance(config, dict):
        return config
    return {
        name: numbers.setdefault(value, len(numbers) + 1)
        if name == "shared_object_id"
        else _with_numbered_objects(value, numbers)
        for name, value in config.items()
    }
