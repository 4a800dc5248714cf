"""Metrics of predicted probabilities, defined here and nowhere else.

`labels` is (n,) of 0 and 1, `predictions` is (n,) of probabilities of 1; everything is computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ECE_BINS = 15
# A prediction of exactly 0 or 1 that is wrong would cost infinity.
LOG_LOSS_CLIP = 1e-7


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Predictions in [low, high): how many, their mean, and the share that came true."""

    low: float
    high: float
    rows: int
    mean_prediction: float
    observed_share: float


def roc_auc(labels: Array, predictions: Array) -> float:
    """Return the probability that a random positive is ranked above a random negative; ties count half.

    NaN when either class is absent.

    Source
    ------
    Hanley and McNeil (1982): the area equals the Mann-Whitney statistic over both counts.
    """
    positive = labels.astype(bool)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(predictions, return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = middle_ranks[inverse][positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(labels: Array, predictions: Array) -> float:
    """Return the mean of -ln(probability given to what happened), predictions clipped to [1e-7, 1 - 1e-7]."""
    given = np.where(labels.astype(bool), predictions.astype(np.float64), 1.0 - predictions.astype(np.float64))
    return float(-np.log(np.clip(given, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)).mean())


def brier(labels: Array, predictions: Array) -> float:
    """Return the mean squared difference of prediction and label (Brier 1950, for two classes: half his score)."""
    return float(np.square(predictions.astype(np.float64) - labels.astype(np.float64)).mean())


def reliability(labels: Array, predictions: Array, bins: int = ECE_BINS) -> tuple[ReliabilityBin, ...]:
    """Return the bins of equal width over [0, 1] that hold predictions; 1.0 falls into the last."""
    number = np.minimum((predictions.astype(np.float64) * bins).astype(np.int64), bins - 1)
    rows = np.bincount(number, minlength=bins)
    predicted = np.bincount(number, weights=predictions.astype(np.float64), minlength=bins)
    observed = np.bincount(number, weights=labels.astype(np.float64), minlength=bins)
    return tuple(
        ReliabilityBin(at / bins, (at + 1) / bins, int(rows[at]), predicted[at] / rows[at], observed[at] / rows[at])
        for at in np.flatnonzero(rows).tolist()
    )


def ece(labels: Array, predictions: Array, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error: |mean prediction - observed share| of each bin, weighted by its rows.

    Source
    ------
    Guo et al. (2017), "On Calibration of Modern Neural Networks", equation 5, with 15 bins of equal width.
    """
    table = reliability(labels, predictions, bins)
    gaps = sum(row.rows * abs(row.mean_prediction - row.observed_share) for row in table)
    return float(gaps / len(labels))


def all_metrics(labels: Array, predictions: Array) -> dict[str, float]:
    """Return every metric by its name in gates."""
    return {
        "roc_auc": roc_auc(labels, predictions),
        "log_loss": log_loss(labels, predictions),
        "brier": brier(labels, predictions),
        "ece": ece(labels, predictions),
    }
