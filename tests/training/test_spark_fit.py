"""Fitting over Spark, beside a fit in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.training.spark_fit import fit_on_spark
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.errors import ColumnMissingError
from tests.spark import needs_spark, spark_conf

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["spark_conf"]
# Statistics of every sort: sums, order statistics that need two passes, vocabularies with ties, text, times.
DECLARED = Transform(
    "delays",
    {
        "dense": [
            Steps(["delay"], [K.SimpleImputer("median"), K.StandardScaler()]),
            Steps(["distance"], [K.QuantileTransformer()]),
            Steps(["delay", "distance"], [K.SimpleImputer("mean"), K.MinMaxScaler()]),
        ],
        "carrier": [Steps(["carrier"], [K.OrdinalEncoder(unseen="oov", missing="category")])],
        "bins": [Steps(["distance"], [K.KBinsDiscretizer(5, encode="ordinal")])],
    },
)


def rows(count: int = 30_000) -> pa.Table:
    draw = np.random.default_rng(5)
    delay = draw.normal(size=count) * 10.0 ** draw.integers(-8, 8, count)
    delay[::17] = np.nan
    carriers = [None if code == 7 else f"C{code}" for code in draw.integers(0, 12, count)]
    return pa.table({"delay": delay, "distance": draw.integers(10, 3_000, count), "carrier": carriers})


class InTurn:
    """A frame whose partitions this process works through: what Spark does, without Spark."""

    def __init__(self, partitions: list[pa.Table], found: list[dict[str, bytes]] | None = None) -> None:
        self.partitions, self.found = partitions, found or []

    def select(self, *columns: str) -> InTurn:
        return InTurn([part.select([c for c in columns if c in part.column_names]) for part in self.partitions])

    def limit(self, count: int) -> InTurn:
        return InTurn([self.partitions[0].slice(0, count)])

    def toArrow(self) -> pa.Table:
        return self.partitions[0]

    def mapInArrow(self, work: object, schema: str) -> InTurn:
        batches = [batch for part in self.partitions for batch in work(iter(part.to_batches(max_chunksize=700)))]  # type: ignore[operator]
        return InTurn([], [row for batch in batches for row in batch.to_pylist()])

    def toLocalIterator(self) -> object:
        return iter(self.found)


def test_any_partition_gives_the_local_digest() -> None:
    """Parts fitted on uneven partitions, empty ones among them, merge to the digest of a local fit."""
    table = rows()
    parts = [table.slice(20_000), table.slice(0, 0), table.slice(0, 1), table.slice(1, 19_999)]
    assert fit_on_spark(DECLARED, InTurn(parts)).digest == DECLARED.fit(table).digest  # type: ignore[arg-type]


def test_an_absent_column_is_named() -> None:
    """A frame without a column of the transform is refused before any pass."""
    with pytest.raises(ColumnMissingError, match="carrier"):
        fit_on_spark(DECLARED, InTurn([rows(10).drop_columns("carrier")]))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def session(spark_conf: dict[str, str]) -> SparkSession:
    from pyspark import SparkConf  # absent on most machines
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return SparkSession.builder.config(conf=SparkConf().setAll(list(spark_conf.items()))).getOrCreate()


@pytest.mark.slow
@needs_spark
@pytest.mark.filterwarnings("ignore")
def test_spark_gives_the_local_digest(session: SparkSession, tmp_path: Path) -> None:
    """`mapInArrow` over seven partitions on Spark's workers gives the digest of a local fit of the same rows."""
    table = rows()
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=5_000)
    frame = session.read.parquet(str(tmp_path / "rows.parquet")).repartition(7)
    fitted = fit_on_spark(DECLARED, frame, provenance={"where": "spark"})
    assert fitted.digest == DECLARED.fit(table).digest
    assert (fitted.provenance["rows"], fitted.provenance["where"]) == (table.num_rows, "spark")
    assert fitted.provenance["data_fingerprint"] == DECLARED.fit(table).provenance["data_fingerprint"]
    fitted.check_golden()
