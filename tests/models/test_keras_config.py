import io
import json
import zipfile
from typing import Any

import pytest

from likewise.models import ModelArtifact
from likewise.models.errors import ForbiddenPartError, ModelFileError
from likewise.models.keras_config import check_keras_file

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": None}


def keras_file(layer: Any, **members: bytes) -> bytes:
    """Return a file laid out as Keras does, whose model holds one layer."""
    model = {"module": "keras", "class_name": "Functional", "config": {"layers": [layer]}}
    contents = {"metadata.json": b"{}", "config.json": json.dumps(model).encode(), "model.weights.h5": b""}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (contents | members).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_allowed_layers_pass(frozen_artifact: ModelArtifact) -> None:
    """A real wide-and-deep file, and a plain layer, hold nothing forbidden."""
    check_keras_file(frozen_artifact.files["model.keras"], "model.keras")
    check_keras_file(keras_file(DENSE), "model.keras")


@pytest.mark.parametrize(
    "layer",
    [
        DENSE | {"class_name": "Lambda"},
        DENSE | {"class_name": "TorchModuleWrapper"},
        DENSE | {"class_name": "TFSMLayer"},
        DENSE | {"module": "builtins", "class_name": "eval"},
        DENSE | {"module": "os", "class_name": "system"},
        DENSE | {"module": "keras.utils", "class_name": "get_file"},
        DENSE | {"module": None},
        DENSE | {"registered_name": "Custom>Dense"},
        DENSE | {"config": {"activation": {"module": "builtins", "class_name": "function", "config": "exec"}}},
        DENSE | {"config": {"deep": [[{"class_name": "__lambda__", "config": {"value": "4wEA"}}]]}},
    ],
)
def test_code_and_foreign_classes_are_refused(layer: dict) -> None:
    """Lambdas, functions, wrappers, registered and foreign classes are refused at any depth, by name."""
    with pytest.raises(ForbiddenPartError, match="not on the list"):
        check_keras_file(keras_file(layer), "model.keras")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        keras_file(DENSE)[:-30],
        keras_file(DENSE, **{"extra.py": b"print()"}),
        keras_file(DENSE, **{"config.json": b"{"}),
        keras_file(DENSE, **{"config.json": b"[" * 100_000}),
        keras_file(DENSE, **{"config.json": b" " * (17 * 2**20)}),
    ],
)
def test_files_of_another_make_are_refused(content: bytes) -> None:
    """Damaged files, extra members, nesting bombs and configurations beyond the limit are errors of the file."""
    with pytest.raises(ModelFileError):
        check_keras_file(content, "model.keras")
