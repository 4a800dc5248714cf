"""Fit a transform over a Spark data frame: the same fitters as locally, a part on each partition, merged here.

Statistics are exact and merge without regard to order, so the digest is that of a local fit of the same rows.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import pyarrow as pa

from likewise.transforms import FittedTransform, Transform
from likewise.transforms.columns import columns_from_arrow, schema_of
from likewise.transforms.fitting import TransformFitter
from likewise.transforms.sources import blocks

_PART = "part"


class SparkFrame(Protocol):
    """What is used of `pyspark.sql.DataFrame`, so that this module can be imported where there is no Spark."""

    def select(self, *columns: str) -> SparkFrame:
        """Choose columns."""
        ...

    def limit(self, rows: int) -> SparkFrame:
        """Choose the first rows."""
        ...

    def toArrow(self) -> pa.Table:  # noqa: N802 - Spark's name
        """Return all rows."""
        ...

    def mapInArrow(self, work: Callable[..., Any], schema: str) -> SparkFrame:  # noqa: N802
        """Apply a function to the batches of each partition."""
        ...

    def toLocalIterator(self) -> Iterator[Any]:  # noqa: N802
        """Return the rows one by one."""
        ...


def fit_on_spark(
    transform: Transform, frame: SparkFrame, *, provenance: Mapping[str, Any] | None = None
) -> FittedTransform:
    """Return the transform fitted on all rows of a Spark data frame.

    The frame is read once a pass (two for quantiles): cache it where that costs much. One partition's state at a time
    is merged here.

    Parameters
    ----------
    frame
        Has the transform's columns. Its workers run a Python that has `likewise` (PYSPARK_PYTHON says which).
    provenance
        Plain JSON to record beside what the fit notes itself.

    Raises
    ------
    ColumnMissingError, ColumnTypeError
        A column is absent or of a type that does not tell what it holds.
    """
    chosen = frame.select(*transform.columns)
    fitter = transform.fitter(transform.inputs(chosen.limit(0).toArrow().schema))
    _one_pass(fitter, chosen)
    while fitter.end_pass():
        _one_pass(fitter, chosen)
    return transform.finish(fitter, provenance)


def _one_pass(fitter: TransformFitter, frame: SparkFrame) -> None:
    empty = pickle.dumps(fitter.part())

    def learn(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return learned(empty, batches)

    for row in frame.mapInArrow(learn, f"{_PART} binary").toLocalIterator():
        # Spark hands functions to its workers pickled anyway, and trusts them: a fitter on its way within one
        # application is no artifact. What is kept, the fitted transform, is data.
        fitter.merge(pickle.loads(bytes(row[_PART])))  # noqa: S301


def learned(empty: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield one row: what a fitter, empty at first, learned from the batches of a partition."""
    part: TransformFitter = pickle.loads(empty)  # noqa: S301 - sent by the driver, as the function itself is
    schema = schema_of(part.inputs)
    for batch in blocks(batches):
        part.update(columns_from_arrow(batch, schema))
    yield pa.RecordBatch.from_arrays([pa.array([pickle.dumps(part)], pa.binary())], names=[_PART])
