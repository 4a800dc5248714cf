"""Fit, apply and one row against scikit-learn, Keras FeatureSpace and TensorFlow Transform, in one run.

Rows are those of `_transforms_workload`. scikit-learn does the same on the same pandas frame (its quantiles are
of a sample of 10,000 rows, ours exact). What the two others cannot express is said in `_transforms_feature_space`
and `_transforms_tft`; they do less or other work, so their ratios have no bar.

TensorFlow Transform wants libraries of its own versions: `benchmarks/tft-requirements.txt` says how to make an
environment; its interpreter is given by --tft-python. Contestants take turns; a figure is the median of its turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from _machine import machine
from _transforms_workload import FLOATS, STRINGS, make_data, ours
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OrdinalEncoder, QuantileTransformer, StandardScaler

from likewise.transforms import Counters, FittedTransform

FIT_BAR, APPLY_BAR, ROW_BAR_US = 3.0, 3.0, 80.0
_TFT = Path(__file__).with_name("_transforms_tft.py")


def scikit_learn() -> ColumnTransformer:
    """Return the workload in scikit-learn."""
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    normal = QuantileTransformer(output_distribution="normal")
    return ColumnTransformer(
        [
            ("scale", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), FLOATS[:10]),
            ("quantile", make_pipeline(SimpleImputer(), normal), FLOATS[10:15]),
            ("bins", make_pipeline(SimpleImputer(), KBinsDiscretizer(10, encode="ordinal")), FLOATS[15:]),
            ("codes", OrdinalEncoder(**unknown), STRINGS),
        ]
    )


def in_turns(work: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each, run one after the other, `repeats` times round."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, run in work.items():
            begin = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in spent.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One of our figures beside a peer's, in seconds; the bar is a ratio, or microseconds of our own."""

    what: str
    mine: float
    peer: str
    theirs: float
    bar: float | None = None
    most_us: float | None = None

    def print(self) -> None:
        """Print the line with its bar."""
        ratio, bar, met = self.theirs / self.mine, "", True
        if self.bar is not None:
            bar, met = f"bar {self.bar:.0f}x", ratio >= self.bar
        if self.most_us is not None:
            bar, met = f"bar {self.most_us:.0f} us", self.mine * 1e6 <= self.most_us
        mark = bar and f"{bar}: {'reached' if met else 'MISSED'}"
        print(
            f"{self.what:30} {_time(self.mine)}   {self.peer:20} {_time(self.theirs)} {ratio:8.1f}x   {mark}",
            flush=True,
        )


def _time(seconds: float) -> str:
    return f"{seconds:8.3f} s " if seconds > 0.05 else f"{seconds * 1e6:8.1f} us"


def rows_in_turns(fitted: FittedTransform, other: ColumnTransformer, table: pa.Table) -> tuple[float, float]:
    """Return the median seconds of one row, ours (counters on) and scikit-learn's."""
    rows, counters = table.slice(0, 500).to_pylist(), Counters()
    mine, theirs = [], []
    frame = table.slice(0, 50).to_pandas()
    for turn in range(50):
        for row in rows:
            begin = time.perf_counter()
            fitted.apply_rows([row], counters)
            mine.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        other.transform(frame.iloc[turn : turn + 1])
        theirs.append(time.perf_counter() - begin)
    return statistics.median(mine), statistics.median(theirs)


def against_scikit_learn(table: pa.Table, frame: pd.DataFrame, repeats: int) -> dict[str, float]:
    """Print the table's first part; return our own figures."""
    transform, fitted, other = ours(), ours().fit(table), scikit_learn().fit(frame)
    name = "scikit-learn"
    fit = in_turns(
        {
            name: lambda: scikit_learn().fit(frame),
            "fit, Arrow table": lambda: transform.fit(table),
            "fit, pandas frame": lambda: transform.fit(frame),
        },
        repeats,
    )
    apply = in_turns(
        {
            name: lambda: other.transform(frame),
            "apply, Arrow table": lambda: fitted.apply(table),
            "apply, Arrow table, counters": lambda: fitted.apply(table, Counters()),
            "apply, pandas frame": lambda: fitted.apply(frame),
        },
        repeats,
    )
    for figures, bar in ((fit, FIT_BAR), (apply, APPLY_BAR)):
        for what, seconds in figures.items():
            if what != name:
                Line(what, seconds, name, figures[name], bar).print()
    row, their_row = rows_in_turns(fitted, other, table)
    Line("one row of 30, counters", row, name, their_row, most_us=ROW_BAR_US).print()
    return {"fit": fit["fit, pandas frame"], "apply": apply["apply, pandas frame"], "row": row}


def against_feature_space(frame: pd.DataFrame, mine: dict[str, float]) -> None:
    """Print how FeatureSpace compares."""
    from _transforms_feature_space import FeatureSpacePeer  # TensorFlow: 8 s and 650 MB, after all else was timed

    peer = FeatureSpacePeer(frame)
    theirs = in_turns({"fit": peer.fit, "apply": peer.apply}, 1) | in_turns({"row": peer.row}, 300)
    _print_peer(peer.name, mine, theirs)


def against_tft(python: str, table: pa.Table, mine: dict[str, float]) -> None:
    """Print how TensorFlow Transform compares, run by the interpreter of its environment."""
    with tempfile.TemporaryDirectory(prefix="likewise-tft-") as folder:
        path = Path(folder) / "rows.parquet"
        pyarrow.parquet.write_table(table, path)
        done = subprocess.run([python, str(_TFT), str(path)], check=True, stdout=subprocess.PIPE, text=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    _print_peer("TensorFlow Transform", mine, theirs)
    print("  " + ", ".join(f"{name} {version}" for name, version in theirs["versions"].items()))


def _print_peer(name: str, mine: dict[str, float], theirs: dict[str, float]) -> None:
    words = {"fit": "fit, pandas frame", "apply": "apply, pandas frame", "row": "one row of 30, counters"}
    for what, label in words.items():
        Line(label, mine[what], name, theirs[what]).print()


def main(given: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-feature-space", action="store_true")
    parser.add_argument("--tft-python", help="an interpreter that has TensorFlow Transform")
    arguments = parser.parse_args(given)
    warnings.simplefilter("ignore")
    table = make_data(arguments.rows)
    frame = table.to_pandas()
    print(f"{machine()}\n{arguments.rows:,} rows of 30 columns; medians of {arguments.repeat} turns")
    mine = against_scikit_learn(table, frame, arguments.repeat)
    if not arguments.no_feature_space:
        against_feature_space(frame, mine)
    if arguments.tft_python:
        against_tft(arguments.tft_python, table, mine)
    print(f"{machine()} at the end")


if __name__ == "__main__":
    main()
