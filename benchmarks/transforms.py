"""Fit and apply against scikit-learn, side by side in one run on the same data.

1,000,000 rows, 20 float columns with 5 % missing and 10 string columns of 1,000 categories:
median-impute and scale on 10, mean-impute and quantile-to-normal on 5, mean-impute and decile bins
on 5, ordinal codes on the strings. Bars: fit and apply at least 3 times as fast; one row of all 30
columns, counters on, within 80 microseconds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OrdinalEncoder, QuantileTransformer, StandardScaler

from likewise.transforms import Counters, FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812

FLOATS = [f"x{i:02d}" for i in range(20)]
STRINGS = [f"s{i:02d}" for i in range(10)]


def make_data(rows: int) -> pa.Table:
    """Return the table; fixed seed."""
    rng = np.random.default_rng(7)
    columns: dict[str, Any] = {}
    for at, name in enumerate(FLOATS):
        draw = rng.normal(size=rows) if at % 2 else rng.lognormal(size=rows)
        columns[name] = pa.array(draw * 10.0 ** (at % 5), mask=rng.random(rows) < 0.05)
    names = np.array([f"category_{i:04d}" for i in range(1000)], dtype=object)
    for name in STRINGS:
        columns[name] = pa.array(names[rng.integers(0, 1000, rows)])
    return pa.table(columns)


def ours() -> Transform:
    """Return the transform under test."""
    return Transform(
        name="benchmark",
        outputs={
            "dense": [
                Steps(FLOATS[:10], [K.SimpleImputer("median"), K.StandardScaler()]),
                Steps(FLOATS[10:15], [K.SimpleImputer("mean"), K.QuantileTransformer(output_distribution="normal")]),
            ],
            "bins": [Steps(FLOATS[15:], [K.SimpleImputer("mean"), K.KBinsDiscretizer(10)])],
            "codes": [Steps(STRINGS, [K.OrdinalEncoder()])],
        },
    )


def theirs() -> ColumnTransformer:
    """Return the same in scikit-learn."""
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    return ColumnTransformer(
        [
            ("scale", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), FLOATS[:10]),
            (
                "quantile",
                make_pipeline(SimpleImputer(), QuantileTransformer(output_distribution="normal")),
                FLOATS[10:15],
            ),
            ("bins", make_pipeline(SimpleImputer(), KBinsDiscretizer(10, encode="ordinal")), FLOATS[15:]),
            ("codes", OrdinalEncoder(**unknown), STRINGS),
        ]
    )


def best_of(times: int, work: Callable[[], Any]) -> float:
    """Return the shortest of some runs, in seconds."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def report(what: str, mine: float, other: float, bar: float) -> None:
    """Print one line of the table."""
    ratio = other / mine
    mark = "reached" if ratio >= bar else "MISSED"
    print(f"{what:34} likewise {mine:8.3f} s   scikit-learn {other:8.3f} s   {ratio:5.1f}x (bar {bar}x: {mark})")


def one_row(fitted: FittedTransform, table: pa.Table) -> float:
    """Return microseconds for one row through `apply_rows`, counters on."""
    rows = table.slice(0, 500).to_pylist()
    counters = Counters()
    begin = time.perf_counter()
    for row in rows:
        fitted.apply_rows([row], counters)
    return (time.perf_counter() - begin) / len(rows) * 1e6


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    table = make_data(arguments.rows)
    frame: pd.DataFrame = table.to_pandas()
    transform, fitted = ours(), ours().fit(table)
    other = theirs().fit(frame)
    fit = best_of(arguments.repeat, lambda: theirs().fit(frame))
    report("fit, Arrow table", best_of(arguments.repeat, lambda: transform.fit(table)), fit, 3.0)
    report("fit, pandas frame", best_of(arguments.repeat, lambda: transform.fit(frame)), fit, 3.0)
    apply = best_of(arguments.repeat, lambda: other.transform(frame))
    report("apply, Arrow table", best_of(arguments.repeat, lambda: fitted.apply(table)), apply, 3.0)
    report(
        "apply, Arrow table, counters", best_of(arguments.repeat, lambda: fitted.apply(table, Counters())), apply, 3.0
    )
    report("apply, pandas frame", best_of(arguments.repeat, lambda: fitted.apply(frame)), apply, 3.0)
    row = min(one_row(fitted, table) for _ in range(5))
    peer = best_of(20, lambda: other.transform(frame.iloc[:1])) * 1e6
    mark = "reached" if row <= 80 else "MISSED"
    print(f"{'one row of 30 columns':34} likewise {row:8.1f} us  scikit-learn {peer:8.0f} us  (bar 80 us: {mark})")


if __name__ == "__main__":
    main()
