"""WideAndDeep: a linear part beside a small network over the same inputs, with embeddings for codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import FamilySettingError, TensorSpecError
from .family import LinearLayers, Schedule
from .tensorflow_import import import_keras
from .tensors import TensorLike, TensorSpec


@dataclass(frozen=True, slots=True)
class WideAndDeep:
    """Settings of a wide-and-deep binary classifier.

    The logit is a weighted mean of two models' logits: a logistic regression (a weight a float column, a weight a
    code), fitted exactly, and a network over the float columns and the embedded codes, trained by its own loss. Trained
    together, the network overfits what the linear part leaves over; apart and averaged, each damps the other's errors,
    most of all on days unlike those seen (measured: `docs/training.md`).

    Parameters
    ----------
    hidden
        Widths of the network's layers.
    embedding
        At most so many numbers a code; fewer for few codes.
    deep_share
        Weight of the network's logit, 0 to 1; the rest is the linear model's.
    dropout
        Share of the network's hidden units left out at each training step.
    epochs, batch_size, learning_rate, weight_decay, patience, seed
        As in `likewise.models.family.Schedule`.

    Source
    ------
    Cheng et al. (2016), "Wide & Deep Learning for Recommender Systems", section 3; embedding width is our
    choice: the fourth root rule gives too few numbers for small vocabularies.
    """

    hidden: tuple[int, ...] = (64, 32)
    embedding: int = 4
    deep_share: float = 0.3
    dropout: float = 0.4
    epochs: int = 8
    batch_size: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    patience: int = 3
    seed: int = 20130101

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise FamilySettingError("hidden", "one or more layer widths", self.hidden)
        if self.embedding < 1:
            raise FamilySettingError("embedding", "1 or more", self.embedding)
        if not 0 < self.deep_share <= 1:
            raise FamilySettingError("deep_share", "a share above 0 and up to 1", self.deep_share)
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
        for spec in specs:
            if spec.cardinality is not None and spec.width is not None:
                raise TensorSpecError(spec.name, "one code a row, shape (n,)", f"{spec.width} codes")
        if not specs:
            raise FamilySettingError("outputs", "one transform output or more", specs)
        inputs = {spec.name: keras.Input(spec.row_shape, name=spec.name, dtype=spec.dtype) for spec in specs}
        columns = {spec.name: _columns(keras, spec, inputs[spec.name]) for spec in specs}
        wide = keras.layers.Rescaling(1.0 - self.deep_share, name="likewise_wide_part")(_wide(keras, specs, columns))
        deep = keras.layers.Rescaling(self.deep_share, name="likewise_deep_part")(self._deep(keras, specs, columns))
        logit = keras.layers.Add(name="likewise_logit")([wide, deep])
        probability = keras.layers.Activation("sigmoid", name="likewise_probability")(logit)
        return keras.Model(inputs, probability, name="wide_and_deep")

    def trainee(self, model: Any) -> Any:
        """Return the network alone, with a probability of its own."""
        keras = import_keras()
        logit = model.get_layer("likewise_deep").output
        return keras.Model(model.input, keras.layers.Activation("sigmoid", name="likewise_deep_probability")(logit))

    def linear_layers(self, model: Any) -> LinearLayers | None:
        """Return the linear part's layers."""
        weights = {name: model.get_layer(f"likewise_wide_{name}") for name in model.input}
        return LinearLayers(weights, model.get_layer("likewise_intercept"))

    # Every layer has a name of its own: Keras would number nameless ones by how many the process made before, and the
    # same model would have other bytes.
    def _deep(self, keras: Any, specs: Sequence[TensorSpec], columns: Mapping[str, Any]) -> Any:
        parts = [_embedded(keras, spec, columns[spec.name], self.embedding) for spec in specs]
        hidden = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="likewise_inputs")(parts)
        for position, width in enumerate(self.hidden):
            layer = keras.layers.Dense(width, activation="relu", name=f"likewise_hidden_{position}")
            hidden = keras.layers.Dropout(self.dropout, name=f"likewise_dropout_{position}")(layer(hidden))
        return keras.layers.Dense(1, name="likewise_deep")(hidden)


def _columns(keras: Any, spec: TensorSpec, tensor: Any) -> Any:
    """Return (n, width): a float tensor without width gets one, codes stay as they are."""
    if spec.cardinality is not None or spec.width is not None:
        return tensor
    return keras.layers.Reshape((1,), name=f"likewise_column_{spec.name}")(tensor)


def _wide(keras: Any, specs: Sequence[TensorSpec], columns: Mapping[str, Any]) -> Any:
    parts = [_linear(keras, spec, columns[spec.name]) for spec in specs]
    total = parts[0] if len(parts) == 1 else keras.layers.Add(name="likewise_wide")(parts)
    return keras.layers.Dense(1, kernel_initializer="ones", name="likewise_intercept")(total)


def _linear(keras: Any, spec: TensorSpec, columns: Any) -> Any:
    name = f"likewise_wide_{spec.name}"
    if spec.cardinality is None:
        return keras.layers.Dense(1, use_bias=False, name=name)(columns)
    return keras.layers.Embedding(spec.cardinality, 1, embeddings_initializer="zeros", name=name)(columns)


def _embedded(keras: Any, spec: TensorSpec, columns: Any, width: int) -> Any:
    if spec.cardinality is None:
        return columns
    name = f"likewise_embedding_{spec.name}"
    return keras.layers.Embedding(spec.cardinality, min(width, (spec.cardinality + 1) // 2), name=name)(columns)
