"""Logistic regression on a model's own inputs: the baseline to beat, and the linear part of wide-and-deep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from likewise.models.tensors import TensorLike

from .dataset import Examples
from .metrics import Array, log_loss
from .progress import Progress, silent

# Inverse strengths of the L2 penalty to choose from by validation log loss; scikit-learn's default is 1.
STRENGTHS = (0.03, 1.0)


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted logistic regression.

    Parameters
    ----------
    weights
        Output name -> (columns, 1) float64: a weight a float column, a weight a code (width x cardinality of them).
    intercept
        Added to the sum.
    strength
        The penalty that did best on the validation part.
    """

    weights: Mapping[str, Array]
    intercept: float
    strength: float

    def predict(self, outputs: Sequence[TensorLike], examples: Examples) -> Array:
        """Return (n,) float64 probabilities."""
        weights = np.concatenate([self.weights[output.name] for output in outputs])
        logit = np.asarray(one_hot_inputs(outputs, examples) @ weights).reshape(-1) + self.intercept
        chance: Array = 1.0 / (1.0 + np.exp(-logit))
        return chance


def fit_linear(
    outputs: Sequence[TensorLike], train: Examples, validate: Examples, progress: Progress = silent
) -> Linear:
    """Return the best of the regressions with each penalty, all fitted to convergence, by log loss on `validate`."""
    # 3 s to import.
    from sklearn.linear_model import LogisticRegression

    inputs = one_hot_inputs(outputs, train)
    model = LogisticRegression(solver="lbfgs", max_iter=500, warm_start=True)
    found = []
    for done, strength in enumerate(STRENGTHS):
        progress(done, len(STRENGTHS))
        model.set_params(C=strength).fit(inputs, train.labels, sample_weight=train.weights)
        linear = Linear(_by_output(outputs, model.coef_[0]), float(model.intercept_[0]), strength)
        found.append((log_loss(validate.labels, linear.predict(outputs, validate)), linear))
    progress(len(STRENGTHS), len(STRENGTHS))
    return min(found, key=lambda scored: scored[0])[1]


def one_hot_inputs(outputs: Sequence[TensorLike], examples: Examples) -> sparse.csr_matrix:
    """Return the tensors side by side as (n, columns) float64: numbers as they are, codes one-hot."""
    return sparse.hstack([_block(output, examples.tensors[output.name]) for output in outputs], format="csr")


def _by_output(outputs: Sequence[TensorLike], coefficients: Array) -> dict[str, Array]:
    ends = np.cumsum([(output.width or 1) * (output.cardinality or 1) for output in outputs])
    parts = np.split(coefficients.reshape(-1, 1).copy(), ends[:-1])
    return {output.name: part for output, part in zip(outputs, parts, strict=True)}


def _block(output: TensorLike, tensor: Array) -> sparse.csr_matrix:
    flat = tensor.reshape(len(tensor), -1)
    if output.cardinality is None:
        return sparse.csr_matrix(flat.astype(np.float64))
    width, cardinality = flat.shape[1], output.cardinality
    columns = (flat.astype(np.int64) + np.arange(width) * cardinality).ravel()
    starts = np.arange(0, columns.size + 1, width)
    return sparse.csr_matrix((np.ones(columns.size), columns, starts), shape=(len(flat), width * cardinality))
