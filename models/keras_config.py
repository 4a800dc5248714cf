"""The list of Keras layers that a model file may hold, checked in its JSON before Keras is asked to build anything."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from .errors import ForbiddenPartError, ModelFileError

ALLOWED_LAYERS = frozenset(
    {
        "Activation", "Add", "Average", "AveragePooling1D", "BatchNormalization", "Concatenate", "Conv1D", "Dense",
        "Dot", "Dropout", "ELU", "Embedding", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D",
        "GlobalMaxPooling1D", "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling1D", "Maximum", "Minimum",
        "Multiply", "Normalization", "PReLU", "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Softmax",
        "Subtract", "UnitNormalization",
    }
)  # fmt: skip
_SETTINGS: dict[str | None, frozenset[str]] = {
    "keras.initializers": frozenset(
        {
            "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Ones",
            "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
        }
    ),
    "keras.regularizers": frozenset({"L1", "L2", "L1L2"}),
    "keras.constraints": frozenset({"MaxNorm", "NonNeg", "UnitNorm"}),
}  # fmt: skip
_PARTS: dict[str | None, frozenset[str]] = {
    "keras.layers": ALLOWED_LAYERS,
    "keras": frozenset({"DTypePolicy", "Functional", "Model", "Sequential"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    None: frozenset({"__keras_tensor__"}),
    **_SETTINGS,
}
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_CONFIG_BYTES = 16 * 2**20
_WEIGHTS_BYTES = 4 * 2**30


def check_keras_file(content: bytes, file: str) -> None:
    """Check that a `.keras` file holds allowed parts only; nothing is built.

    Raises
    ------
    ModelFileError
        When the content is no Keras 3 file, or larger than the limits (configuration 16 MiB, weights 4 GiB).
    ForbiddenPartError
        When it names a layer, function or class that is not on the list.
    """
    parts = set(_named_parts(_config(content, file)))
    forbidden = sorted(_text(module, name) for module, name in parts if name not in _PARTS.get(module, frozenset()))
    if forbidden:
        raise ForbiddenPartError(file, forbidden, f"ALLOWED_LAYERS in {__name__}")


def _config(content: bytes, file: str) -> Any:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if set(sizes) != _MEMBERS or len(archive.infolist()) != len(_MEMBERS):
                raise ModelFileError(file, ", ".join(sorted(_MEMBERS)), ", ".join(sorted(sizes)) or "nothing")
            if sizes["config.json"] > _CONFIG_BYTES or sizes["model.weights.h5"] > _WEIGHTS_BYTES:
                raise ModelFileError(file, "a configuration up to 16 MiB and weights up to 4 GiB", f"{sizes}")
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, ValueError, RecursionError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelFileError(file, "a Keras 3 file", f"{type(error).__name__}: {error}") from None


def _named_parts(value: Any) -> Iterator[tuple[str | None, str]]:
    """Yield (module, class) of everything below a value that Keras would look up by name."""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, list):
            pending.extend(found)
        elif isinstance(found, dict):
            pending.extend(found.values())
            yield from _part(found)


def _part(found: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    if "class_name" not in found:
        return
    module, name, registered = found.get("module"), found["class_name"], found.get("registered_name")
    yield (module if module is None else str(module)), str(name)
    # A registered name would be looked up before the class name, among whatever this process has registered.
    if registered not in (None, name):
        yield "registered", str(registered)


def _text(module: str | None, name: str) -> str:
    return name if module is None else f"{module}.{name}"
