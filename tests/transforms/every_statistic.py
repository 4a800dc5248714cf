"""Rows of every type and a transform with every statistic that is learned, for the tests of digests."""

from itertools import pairwise

import numpy as np
import pyarrow as pa

from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import columns_from_arrow, schema_of
from likewise.transforms.fitting import TransformFitter

WORDS = ["red car", "Blue bus", "red", "", "Ünïcode straße", "a a b", "tail-number 7"]


def table(rows: int) -> pa.Table:
    """Return rows with repeats, gaps, rarities, long integers, and 1e300 beside 1e-300."""
    rng = np.random.default_rng(0)
    absent = rng.random((6, rows)) < 0.05
    sizes = 10.0 ** rng.choice([-300, -8, 0, 8, 300], rows)
    bounds = np.append(0, np.cumsum(rng.integers(0, 4, rows)))
    words = rng.choice(WORDS, int(bounds[-1])).tolist()
    return pa.table(
        {
            "x": pa.array(rng.normal(size=rows) * 100, mask=absent[0]),
            "skew": pa.array(rng.lognormal(sigma=3.0, size=rows), mask=absent[1]),
            "n": pa.array(rng.integers(0, 50, rows), mask=absent[2]),
            "wide": pa.array(rng.normal(size=rows) * sizes, mask=absent[3]),
            "id": rng.integers(2**60, 2**60 + 400, rows),
            "mixed": np.where(rng.random(rows) < 0.2, rng.integers(2**60, 2**60 + 5, rows), rng.integers(0, 9, rows)),
            "flag": pa.array(rng.random(rows) < 0.5, mask=absent[4]),
            "text": pa.array(rng.choice(WORDS, rows), mask=absent[5]),
            "time": pa.array(rng.integers(0, 500, rows) * 10**12, pa.timestamp("us", "UTC")),
            "list": [words[a:b] for a, b in pairwise(bounds.tolist())],
        }
    )


def transform() -> Transform:
    """Return a transform that learns all that our kinds learn."""
    numbers = ["x", "skew", "n", "wide"]
    return Transform(
        "every",
        {
            "dense": [
                Steps(numbers, [K.SimpleImputer("median", add_indicator=True), K.StandardScaler()]),
                Steps(numbers, [K.SimpleImputer("mean"), K.RobustScaler()]),
                Steps(numbers, [K.SimpleImputer("most_frequent"), K.MinMaxScaler()]),
                Steps(numbers, [K.MaxAbsScaler()]),
                Steps(numbers, [K.Winsorizer(), K.StandardScaler()]),
                Steps(numbers, [K.QuantileTransformer(100, output_distribution="normal")]),
                Steps(["text", *numbers], [K.GroupScaler()]),
                Steps(["text", "flag", "time"], [K.CountEncoder()]),
                Steps(["text", "n"], [K.OneHotEncoder(min_frequency=0.02)]),
                Steps(["list"], [K.MultiHotEncoder()]),
                Steps(["text"], [K.TfidfVectorizer()]),
                Steps(["text"], [K.CountVectorizer(ngram_range=(1, 2), max_features=5)]),
            ],
            "codes": [
                Steps(["text", "id", "mixed", "flag", "time"], [K.OrdinalEncoder()]),
                Steps(["text"], [K.RareGrouper(0.05), K.OrdinalEncoder()]),
                Steps(["text"], [K.TextVectorizer(3)]),
                Steps(numbers, [K.KBinsDiscretizer(7)]),
                Steps(numbers, [K.SimpleImputer("median"), K.KBinsDiscretizer(5, strategy="uniform")]),
            ],
        },
    )


def fed(fitter: TransformFitter, rows: pa.Table, size: int) -> TransformFitter:
    """Feed rows to a fitter in batches of `size`, none of them joined before."""
    schema = schema_of(fitter.inputs)
    for batch in rows.to_batches(max_chunksize=size):
        fitter.update(columns_from_arrow(batch, schema))
    return fitter
