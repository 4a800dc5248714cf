"""Baselines that a model must beat: the base rate, and logistic regression on the very same tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from likewise.models.tensors import TensorLike

from .dataset import Examples
from .linear import Linear, fit_linear
from .metrics import Array


@dataclass(frozen=True, slots=True)
class Baselines:
    """Predictions of the baselines for the judged rows: name -> (n,) float64; and the penalty that was chosen."""

    predictions: Mapping[str, Array]
    strength: float


def fit_baselines(
    outputs: Sequence[TensorLike],
    train: Examples,
    validate: Examples,
    judged: Examples,
    linear: Linear | None = None,
) -> Baselines:
    """Return the baselines' predictions for `judged`.

    The base rate is the positive share of train. The logistic regression sees the model's own inputs, with codes
    one-hot; it is fitted to convergence for each of several penalties and the best on `validate` is taken: as good as
    it gets without features crossed by hand. `linear` is that regression where training has fitted it already.
    """
    base_rate = np.full(len(judged.labels), train.labels.mean(dtype=np.float64))
    linear = fit_linear(outputs, train, validate) if linear is None else linear
    predictions = {"base_rate": base_rate, "logistic_regression": linear.predict(outputs, judged)}
    return Baselines(predictions, linear.strength)
