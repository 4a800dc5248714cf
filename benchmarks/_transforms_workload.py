"""The workload all figures on transforms are about: its rows, our transform over them, and the machine.

20 float columns with 5 % missing and 10 string columns of 1,000 categories: median-impute and scale on 10,
mean-impute and quantile-to-normal on 5, mean-impute and decile bins on 5, ordinal codes on the strings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812

FLOATS = [f"x{i:02d}" for i in range(20)]
STRINGS = [f"s{i:02d}" for i in range(10)]


def make_data(rows: int, seed: int = 7) -> pa.Table:
    """Return the table; the same for the same seed."""
    rng = np.random.default_rng(seed)
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
