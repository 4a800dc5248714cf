"""The short report at the end of a run: what was made, how good it is, against what."""

import math
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from likewise.training.evaluate import Evaluation
from likewise.training.gates import GateVerdict

METRICS = {"roc_auc": "ROC AUC ↑", "log_loss": "log loss ↓", "brier": "Brier ↓", "ece": "ECE ↓"}
SHOWN_SLICES = 8


def print_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Print name and value pairs, one a line."""
    for name, value in facts.items():
        console.print(f"  {name:<18} {value}", soft_wrap=True)


def print_metrics(console: Console, evaluation: Evaluation) -> None:
    """Print the model's metrics beside those of the baselines, on the same rows."""
    table = Table(title=f"Held-out {evaluation.part}: {evaluation.rows:,} rows, {evaluation.base_rate:.1%} late")
    table.title_justify = "left"
    table.add_column("")
    for heading in METRICS.values():
        table.add_column(heading, justify="right")
    for name, metrics in {"model": evaluation.metrics, **evaluation.baselines}.items():
        table.add_row(name.replace("_", " "), *(_number(metrics[metric]) for metric in METRICS))
    console.print(table)


def print_slices(console: Console, evaluation: Evaluation) -> None:
    """Print the metrics of the most frequent values of each sliced column."""
    if not evaluation.slices:
        return
    table = Table(title="Slices (most frequent values)", title_justify="left")
    for heading in ("slice", "rows", "observed", "predicted", *METRICS.values()):
        table.add_column(heading, justify="left" if heading == "slice" else "right")
    for one in sorted(evaluation.slices, key=lambda one: -one.rows)[:SHOWN_SLICES]:
        numbers = (_number(one.metrics[metric]) for metric in METRICS)
        shares = (f"{one.observed_share:.1%}", f"{one.mean_prediction:.1%}")
        table.add_row(f"{one.column}={one.value}", f"{one.rows:,}", *shares, *numbers)
    console.print(table)


def print_gates(console: Console, verdicts: tuple[GateVerdict, ...]) -> None:
    """Print each gate: what was expected, what came."""
    for one in verdicts:
        mark = "[green]passed[/]" if one.passed else "[red]FAILED[/]"
        console.print(f"  gate {one.gate:<52} {mark}  expected {one.expected}, got {one.got}", soft_wrap=True)


def print_pictures(console: Console, pictures: Mapping[str, Path]) -> None:
    """Print where the pictures are."""
    for name, path in pictures.items():
        console.print(f"  {name:<18} {path}", soft_wrap=True)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
