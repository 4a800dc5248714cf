import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.training.metrics import all_metrics, brier, ece, log_loss, reliability, roc_auc

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(lambda step: step / 20)), min_size=2, max_size=60)


def arrays(rows: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions as arrays."""
    return np.array([label for label, _ in rows], np.float32), np.array([share for _, share in rows], np.float32)


@given(ROWS)
def test_roc_auc_is_the_share_of_pairs_ranked_right(rows: list[tuple[bool, float]]) -> None:
    """It equals the count over all pairs of a positive and a negative, ties counting half; NaN without a pair."""
    labels, predictions = arrays(rows)
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in predictions[labels == 1]
        for low in predictions[labels == 0]
    ]
    expected = sum(pairs) / len(pairs) if pairs else math.nan
    assert roc_auc(labels, predictions) == pytest.approx(expected, nan_ok=True)


@given(ROWS)
def test_metrics_do_not_depend_on_row_order(rows: list[tuple[bool, float]]) -> None:
    """Turning the rows around changes no metric beyond the last bits of a sum."""
    forward, backward = all_metrics(*arrays(rows)), all_metrics(*arrays(rows[::-1]))
    assert forward == pytest.approx(backward, nan_ok=True)


@given(ROWS)
def test_calibration_bins_hold_every_row_once(rows: list[tuple[bool, float]]) -> None:
    """Bins are disjoint, hold all rows, and each mean prediction lies inside its bin."""
    labels, predictions = arrays(rows)
    table = reliability(labels, predictions)
    assert sum(row.rows for row in table) == len(rows)
    assert sum(row.rows * row.observed_share for row in table) == pytest.approx(labels.sum())
    assert all(row.low - 1e-6 <= row.mean_prediction <= row.high + 1e-6 for row in table)
    assert 0 <= ece(labels, predictions) <= 1


def test_definitions_by_hand() -> None:
    """Log loss, Brier score and calibration error equal figures worked out on paper."""
    labels, predictions = np.array([1, 0, 1, 0]), np.array([0.8, 0.2, 0.6, 0.6])
    assert log_loss(labels, predictions) == pytest.approx(-(2 * math.log(0.8) + math.log(0.6) + math.log(0.4)) / 4)
    assert brier(labels, predictions) == pytest.approx((0.04 + 0.04 + 0.16 + 0.36) / 4)
    # Ten bins: {0.8}, {0.2}, {0.6, 0.6}: gaps 0.2, 0.2 and 0.1.
    assert ece(labels, predictions, bins=10) == pytest.approx((0.2 + 0.2 + 2 * 0.1) / 4)


def test_certain_and_wrong_costs_much_but_not_infinity() -> None:
    """A prediction of exactly 0 or 1 is clipped for the log loss, and 1.0 falls into the last bin."""
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-math.log(1e-7))
    assert reliability(np.array([0.0]), np.array([1.0]))[0].high == 1.0


@pytest.mark.slow
def test_metrics_agree_with_scikit_learn() -> None:
    """On random rows with ties, metrics of the same name give the same numbers as scikit-learn's."""
    reference = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(3)
    predictions = random.beta(1, 4, 5000).round(2).clip(0.01, 0.99)
    labels = (random.random(5000) < predictions).astype(np.float32)
    ours = all_metrics(labels, predictions)
    assert ours["roc_auc"] == pytest.approx(reference.roc_auc_score(labels, predictions), abs=1e-12)
    assert ours["log_loss"] == pytest.approx(reference.log_loss(labels, predictions), abs=1e-12)
    assert ours["brier"] == pytest.approx(reference.brier_score_loss(labels, predictions), abs=1e-12)
