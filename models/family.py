"""Families of models: frozen settings that build a Keras model for given tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import FamilySettingError
from .tensors import TensorLike


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a Keras model is trained; the same fields for every family.

    Parameters
    ----------
    epochs
        At most so many passes; training stops early by `patience`.
    batch_size
        Rows a step.
    learning_rate
        Of AdamW at the first step; it falls to zero by a half cosine over `epochs`.
    weight_decay
        Of AdamW, on all weights.
    patience
        Epochs without a better validation log loss before training stops; the best epoch's weights are kept.
    seed
        Of everything random: first weights, dropout, order of rows.
    """

    epochs: int = 12
    batch_size: int = 2048
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    patience: int = 3
    seed: int = 20130101

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise FamilySettingError(name, "1 or more", getattr(self, name))
        if not self.learning_rate > 0:
            raise FamilySettingError("learning_rate", "a number above 0", self.learning_rate)


@dataclass(frozen=True, slots=True)
class LinearLayers:
    """Where a logistic regression goes: the layer of each tensor's weights, and the one whose bias is the intercept."""

    weights: Mapping[str, Any]
    intercept: Any

    def fill(self, weights: Mapping[str, Any], intercept: float) -> None:
        """Set the weights, (columns, 1) a tensor, and the intercept."""
        for name, layer in self.weights.items():
            layer.set_weights([weights[name]])
        kernel, bias = self.intercept.get_weights()
        self.intercept.set_weights([kernel, bias * 0 + intercept])


class Family(Protocol):
    """Settings that build a binary classifier: named inputs as the tensors, one output, a probability."""

    @property
    def schedule(self) -> Schedule:
        """How to train what `build` returns."""
        ...

    def build(self, outputs: Sequence[TensorLike]) -> Any:
        """Return an untrained `keras.Model` for the transform's outputs."""
        ...

    def trainee(self, model: Any) -> Any:
        """Return the `keras.Model` to train by gradient descent: the model itself, or a part that shares its layers."""
        ...

    def linear_layers(self, model: Any) -> LinearLayers | None:
        """Return the layers that a logistic regression on the same inputs fills before training; None for none."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return the settings as JSON values, for the record of the model."""
        ...


@dataclass(frozen=True, slots=True)
class KerasFunction:
    """A family from a function of your own: (tensor specs) -> `keras.Model`.

    The model takes one named input a tensor and returns one sigmoid output. Its layers must be on the list
    of allowed ones (`likewise.models.keras_config`).
    """

    function: Callable[[Sequence[TensorLike]], Any]
    schedule: Schedule = Schedule()

    def build(self, outputs: Sequence[TensorLike]) -> Any:
        """Return the function's model."""
        return self.function(outputs)

    def trainee(self, model: Any) -> Any:
        """Return the model itself."""
        return model

    def linear_layers(self, model: Any) -> LinearLayers | None:  # noqa: ARG002 - the family's port
        """Return None: nothing is known of the function's layers."""
        return None

    def settings(self) -> Mapping[str, Any]:
        """Return the function's name; its source is the project's own."""
        return {"family": "keras_function", "function": getattr(self.function, "__qualname__", "unnamed")}
