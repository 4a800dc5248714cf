"""A model as files and metadata: never pickled, every file and field checked before anything is built.

Files: `model.keras` (always: training can go on from it), `model.tflite` (when LiteRT is the runtime) and
`golden.safetensors` (tensors and the predictions that the chosen runtime made of them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import ModelFileError
from .tensors import TensorSpec

FORMAT = 1
KERAS_FILE = "model.keras"
LITERT_FILE = "model.tflite"
GOLDEN_FILE = "golden.safetensors"
RUNTIMES = ("litert", "tensorflow")


class ModelFiles(Protocol):
    """Files and metadata, from a registry or made here."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """File name -> content."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What `ModelMetadata.to_json` wrote."""
        ...


@dataclass(frozen=True, slots=True)
class ModelArtifact:
    """A trained model, ready to be put into a registry."""

    files: Mapping[str, bytes]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model's metadata says, checked.

    Parameters
    ----------
    runtime
        "litert" or "tensorflow": which file serves.
    inputs
        The tensors it takes, in order.
    output
        Name of the prediction.
    bound
        Absolute difference of a probability that another machine or runtime may show.
    measured
        What was seen at publish time, such as the largest difference between Keras and the runtime.
    family, libraries
        For people: settings of the family, versions of the libraries.
    """

    runtime: str
    inputs: tuple[TensorSpec, ...]
    output: str
    bound: float
    measured: Mapping[str, Any] = field(default_factory=dict)
    family: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the metadata as JSON values."""
        return {
            "format": FORMAT,
            "runtime": self.runtime,
            "inputs": [spec.to_json() for spec in self.inputs],
            "output": self.output,
            "bound": self.bound,
            "measured": dict(self.measured),
            "family": dict(self.family),
            "libraries": dict(self.libraries),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ModelMetadata:
        """Return the metadata that `to_json` wrote.

        Raises
        ------
        ModelFileError
            Naming the first field that is absent or not what it should be.
        """
        _expect(value.get("format") == FORMAT, f"format {FORMAT}", value.get("format"))
        _expect(value.get("runtime") in RUNTIMES, f"runtime {' or '.join(RUNTIMES)}", value.get("runtime"))
        inputs = value.get("inputs")
        _expect(isinstance(inputs, list | tuple) and bool(inputs), "a list of inputs", inputs)
        _expect(isinstance(value.get("output"), str), "an output name", value.get("output"))
        bound = value.get("bound")
        _expect(isinstance(bound, float) and 0 < bound < 1, "a bound between 0 and 1", bound)
        return cls(
            runtime=value["runtime"],
            inputs=tuple(TensorSpec.from_json("metadata", spec) for spec in value["inputs"]),
            output=value["output"],
            bound=value["bound"],
            **{name: dict(value.get(name) or {}) for name in ("measured", "family", "libraries")},
        )


def file_of(model: ModelFiles, name: str) -> bytes:
    """Return a file's content, or say that the artifact lacks it."""
    if name not in model.files:
        raise ModelFileError(name, "the file in the artifact", f"only {', '.join(sorted(model.files)) or 'none'}")
    return model.files[name]


def _expect(holds: bool, expected: str, got: object) -> None:  # noqa: FBT001
    if not holds:
        raise ModelFileError("metadata", expected, repr(got))
