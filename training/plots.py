"""Pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path

from .evaluate import Evaluation


def plot_reliability(evaluation: Evaluation, title: str, path: Path) -> Path:
    """Draw observed share against mean prediction, and how many rows each bin holds; returns the PNG's path."""
    # 1 s to import, and only who wants a picture pays. The object interface leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 7), layout="constrained")
    FigureCanvasAgg(figure)
    curve, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    curve.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfectly calibrated")
    predicted = [row.mean_prediction for row in evaluation.reliability]
    curve.plot(predicted, [row.observed_share for row in evaluation.reliability], marker="o", label="model")
    curve.set(ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
    curve.set_title(f"{title}: {evaluation.part}, {evaluation.rows:,} rows, ECE {evaluation.metrics['ece']:.4f}")
    curve.legend(loc="upper left")
    width = [row.high - row.low for row in evaluation.reliability]
    histogram.bar(
        [row.low for row in evaluation.reliability], [row.rows for row in evaluation.reliability], width, align="edge"
    )
    histogram.set(xlabel="predicted probability", ylabel="rows")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path
