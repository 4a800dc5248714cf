"""WideAndDeep: a linear part beside a small network over the same inputs, with embeddings for codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import FamilySettingError
from .family import Schedule
from .tensorflow_import import import_keras
from .tensors import TensorLike, TensorSpec


@dataclass(frozen=True, slots=True)
class WideAndDeep:
    """Settings of a wide-and-deep binary classifier.

    The logit is the sum of a linear model (a weight a float column, a weight a code) and a network over the
    float columns and the embedded codes.

    Parameters
    ----------
    hidden
        Widths of the network's layers.
    embedding
        At most so many numbers a code; fewer for few codes.
    dropout
        Share of the network's hidden units left out at each training step.
    epochs, batch_size, learning_rate, weight_decay, patience, seed
        As in `likewise.models.family.Schedule`.

    Source
    ------
    Cheng et al. (2016), "Wide & Deep Learning for Recommender Systems", section 3; embedding width is our
    choice: the fourth root rule gives too few numbers for small vocabularies.
    """

    hidden: tuple[int, ...] = (128, 64)
    embedding: int = 8
    dropout: float = 0.1
    epochs: int = 12
    batch_size: int = 2048
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    patience: int = 3
    seed: int = 20130101

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise FamilySettingError("hidden", "one or more layer widths", self.hidden)
        if self.embedding < 1:
            raise FamilySettingError("embedding", "1 or more", self.embedding)
        if not 0 <= self.dropout < 1:
            raise FamilySettingError("dropout", "a share from 0 to below 1", self.dropout)
        _ = self.schedule

    @property
    def schedule(self) -> Schedule:
        """How to train it."""
        return Schedule(self.epochs, self.batch_size, self.learning_rate, self.weight_decay, self.patience, self.seed)

    def settings(self) -> Mapping[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "wide_and_deep", **asdict(self), "hidden": list(self.hidden)}

    def build(self, outputs: Sequence[TensorLike]) -> Any:
        """Return the untrained `keras.Model`; the same seed gives the same first weights."""
        keras = import_keras()
        keras.utils.set_random_seed(self.seed)
        specs = [TensorSpec.of(output) for output in outputs]
        if not specs:
            raise FamilySettingError("outputs", "one transform output or more", specs)
        inputs = {spec.name: keras.Input(spec.row_shape, name=spec.name, dtype=spec.dtype) for spec in specs}
        wide = [_linear(keras, spec, inputs[spec.name]) for spec in specs]
        logit = _sum(keras, [*wide, self._deep(keras, specs, inputs)])
        probability = keras.layers.Activation("sigmoid", name="likewise_probability")(logit)
        return keras.Model(inputs, probability, name="wide_and_deep")

    def _deep(self, keras: Any, specs: Sequence[TensorSpec], inputs: Mapping[str, Any]) -> Any:
        parts = [_embedded(keras, spec, inputs[spec.name], self.embedding) for spec in specs]
        hidden = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="likewise_inputs")(parts)
        for position, width in enumerate(self.hidden):
            layer = keras.layers.Dense(width, activation="relu", name=f"likewise_hidden_{position}")
            hidden = keras.layers.Dropout(self.dropout)(layer(hidden))
        return keras.layers.Dense(1, name="likewise_deep")(hidden)


def _linear(keras: Any, spec: TensorSpec, tensor: Any) -> Any:
    if spec.cardinality is None:
        return keras.layers.Dense(1, use_bias=False, name=f"likewise_wide_{spec.name}")(_columns(keras, spec, tensor))
    table = keras.layers.Embedding(
        spec.cardinality, 1, embeddings_initializer="zeros", name=f"likewise_wide_{spec.name}"
    )
    weights = table(tensor)
    return weights if spec.width is None else keras.layers.GlobalAveragePooling1D()(weights)


def _embedded(keras: Any, spec: TensorSpec, tensor: Any, width: int) -> Any:
    if spec.cardinality is None:
        return _columns(keras, spec, tensor)
    width = min(width, (spec.cardinality + 1) // 2)
    table = keras.layers.Embedding(spec.cardinality, width, name=f"likewise_embedding_{spec.name}")
    vectors = table(tensor)
    return vectors if spec.width is None else keras.layers.Flatten()(vectors)


def _columns(keras: Any, spec: TensorSpec, tensor: Any) -> Any:
    return keras.layers.Reshape((1,))(tensor) if spec.width is None else tensor


def _sum(keras: Any, parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else keras.layers.Add(name="likewise_logit")(parts)
