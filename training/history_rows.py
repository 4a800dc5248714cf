"""Check what an offline store returned against what it was asked: every row once, in order, unaltered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import HistoryRowsError
from .history_file import EVENT_TIME, ROW

_SHOWN = 5


def rows_in_order(asked: pa.Table, returned: pa.Table) -> pa.Table:
    """Return the store's rows in the order of the entity rows.

    A store may return rows in any order (Spark and dask do), since each carries its number; but it may not lose,
    repeat or invent one, nor change the columns that it was asked with.

    Raises
    ------
    HistoryRowsError
        Naming how many rows, and the first few by number.
    """
    numbers = _numbers(asked)
    got = _numbers(returned) if ROW in returned.column_names else np.empty(0, np.int64)
    _complain("lost", np.setdiff1d(numbers, got))
    _complain("invented", np.setdiff1d(got, numbers))
    _complain("repeated", np.unique(np.sort(got)[1:][np.diff(np.sort(got)) == 0]))
    order = np.argsort(got, kind="stable")[np.argsort(np.argsort(numbers, kind="stable"), kind="stable")]
    ordered = returned.take(pa.array(order))
    for name in asked.column_names:
        if name != ROW and name in ordered.column_names:
            changed = _differs(asked.column(name), ordered.column(name))
            _complain(f"changed {name!r} in", numbers[changed])
    return ordered


def check_event_times_kept(asked: pa.Table, returned: pa.Table, join_keys: Sequence[str]) -> None:
    """Raise when the store dropped the columns by which its rows can be checked at all."""
    absent = [name for name in (EVENT_TIME, *join_keys) if name not in returned.column_names]
    if absent:
        raise HistoryRowsError(f"did not return {', '.join(absent)} of", len(asked), [])


def _numbers(table: pa.Table) -> np.ndarray[Any, Any]:
    return np.asarray(table.column(ROW).to_numpy(), np.int64)


def _differs(asked: pa.ChunkedArray, got: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    if pa.types.is_timestamp(asked.type):
        got = got.cast(pa.timestamp("us", "UTC"), safe=False)
        asked = asked.cast(pa.timestamp("us", "UTC"), safe=False)
    elif got.type != asked.type:
        got = got.cast(asked.type, safe=False)
    equal = pc.fill_null(pc.equal(asked, got), fill_value=False)
    both_null = pc.and_(pc.is_null(asked, nan_is_null=_is_float(asked)), pc.is_null(got, nan_is_null=_is_float(got)))
    return ~np.asarray(pc.or_(equal, both_null).to_numpy(zero_copy_only=False))


def _is_float(values: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_floating(values.type))


def _complain(what: str, numbers: np.ndarray[Any, Any]) -> None:
    if len(numbers):
        raise HistoryRowsError(what, len(numbers), numbers[:_SHOWN].tolist())
