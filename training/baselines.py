"""Baselines that a model must beat: the base rate, and logistic regression on the very same tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from likewise.models.tensors import TensorLike

from .dataset import Examples
from .metrics import Array, log_loss

# Inverse strengths of the L2 penalty to choose from by validation log loss; scikit-learn's default is 1.
STRENGTHS = (0.003, 0.03, 1.0)


@dataclass(frozen=True, slots=True)
class Baselines:
    """Predictions of the baselines for the judged rows: name -> (n,) float64; and the penalty that was chosen."""

    predictions: Mapping[str, Array]
    strength: float


def fit_baselines(outputs: Sequence[TensorLike], train: Examples, validate: Examples, judged: Examples) -> Baselines:
    """Return the baselines' predictions for `judged`.

    The base rate is the positive share of train. The logistic regression sees the model's own inputs, with codes
    one-hot; it is fitted to convergence for each of three penalties and the best on `validate` is taken: as good as it
    gets without features crossed by hand.
    """
    base_rate = np.full(len(judged.labels), train.labels.mean(dtype=np.float64))
    strength, logistic = _best_logistic(outputs, train, validate, judged)
    return Baselines({"base_rate": base_rate, "logistic_regression": logistic}, strength)


def _best_logistic(
    outputs: Sequence[TensorLike], train: Examples, validate: Examples, judged: Examples
) -> tuple[float, Array]:
    # 3 s to import.
    from sklearn.linear_model import LogisticRegression

    inputs, held_out, target = (one_hot_inputs(outputs, part) for part in (train, validate, judged))
    best = (float("inf"), 0.0, np.empty(0))
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, solver="lbfgs", max_iter=500, tol=1e-4)
        model.fit(inputs, train.labels, sample_weight=train.weights)
        loss = log_loss(validate.labels, model.predict_proba(held_out)[:, 1])
        if loss < best[0]:
            best = (loss, strength, model.predict_proba(target)[:, 1])
    return best[1], best[2]


def one_hot_inputs(outputs: Sequence[TensorLike], examples: Examples) -> sparse.csr_matrix:
    """Return the tensors side by side as (n, columns) float64: numbers as they are, codes one-hot."""
    return sparse.hstack([_block(output, examples.tensors[output.name]) for output in outputs], format="csr")


def _block(output: TensorLike, tensor: Array) -> sparse.csr_matrix:
    flat = tensor.reshape(len(tensor), -1)
    if output.cardinality is None:
        return sparse.csr_matrix(flat.astype(np.float64))
    width, cardinality = flat.shape[1], output.cardinality
    columns = (flat.astype(np.int64) + np.arange(width) * cardinality).ravel()
    starts = np.arange(0, columns.size + 1, width)
    return sparse.csr_matrix((np.ones(columns.size), columns, starts), shape=(len(flat), width * cardinality))
