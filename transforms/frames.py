"""The columns of a pandas frame as Arrow, in less time than the general conversion takes.

It differs in two things, neither of which a result depends on: NaN in float columns stays NaN instead
of becoming null, and an object that stands in many rows of a column, as text from files and tables
does, is converted once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.logical_types import is_text_type

_THREADS = 2
# So many rows tell whether objects repeat.
_TRIED = 8192


def is_pandas(data: Any) -> bool:
    """Tell a pandas frame without importing pandas."""
    module = sys.modules.get("pandas")
    return module is not None and isinstance(data, module.DataFrame)


def table_of_frame(frame: Any, columns: Sequence[str]) -> pa.Table:
    """Return the named columns of a pandas frame as a table, or all of it if some are not to be had so.

    Raises
    ------
    pyarrow.ArrowException, ValueError, TypeError
        What `pyarrow.table(frame)` raises for it.
    """
    labels = frame.columns
    if labels.nlevels > 1 or not labels.is_unique or any(name not in labels for name in columns):
        return pa.table(frame)  # which knows of labels that are no text and of the index
    series = [frame[name] for name in columns]
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            return pa.table(list(pool.map(_array_of, series)), names=list(columns))
    except (pa.ArrowException, ValueError, TypeError):
        return pa.table(frame)  # whose errors name the column


def _array_of(series: Any) -> pa.Array | pa.ChunkedArray:
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else ""
    if kind == "f":
        return pa.array(series.to_numpy())
    if kind == "O":
        return _array_of_objects(series.to_numpy())
    return pa.Array.from_pandas(series)


def _array_of_objects(values: npt.NDArray[Any]) -> pa.Array | pa.ChunkedArray:
    """Return dictionary-encoded text if few objects make up the column, else the plain conversion."""
    if not len(values) or len(_by_object(values[:_TRIED]).dictionary) > min(len(values), _TRIED) // 2:
        return pa.Array.from_pandas(values)
    encoded = _by_object(values)
    codes = np.asarray(encoded.indices)
    place = np.empty(len(encoded.dictionary), np.intp)
    place[codes] = np.arange(len(codes))  # of several rows with one object any will do
    distinct = pa.Array.from_pandas(values[place])
    if not isinstance(distinct, pa.Array) or not is_text_type(distinct.type):
        return pa.Array.from_pandas(values)
    # Objects may be equal, or missing: now every text stands once, and nulls are among the indices.
    texts = distinct.dictionary_encode()
    return pa.DictionaryArray.from_arrays(texts.indices.take(encoded.indices), texts.dictionary)


def _by_object(values: npt.NDArray[Any]) -> pa.DictionaryArray:
    """Return the values' identities, dictionary-encoded; unlike a conversion, this lets other threads run."""
    return pa.array(np.frombuffer(values.tobytes(), np.intp)).dictionary_encode()
