"""A 64-bit hash of each row's values, the same whatever batch, order or Arrow type the row came in."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.columns import Column, beyond_floats, column_from_values
from likewise.transforms.logical_types import LogicalType

Hashes: TypeAlias = npt.NDArray[np.uint64]

# Odd constants with well-spread bits: the fractional parts of the golden ratio and of 1 / sqrt(3).
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0x93CD3A2C8198E269)
# Texts remembered: about 20 MB of them.
_MOST_KNOWN = 100_000
_NAN = np.array([np.nan]).view(np.uint64)[0]


def row_hashes(columns: Sequence[Column], known: dict[Any, int]) -> Hashes:
    """Return (n,) hashes of rows of these columns, in their order.

    `known` remembers the hashes of texts from one batch to the next.
    """
    if len(known) > _MOST_KNOWN:
        known.clear()
    total = np.zeros(len(columns[0]), np.uint64)
    with np.errstate(over="ignore"):
        for at, column in enumerate(columns):
            bits = _bits(column, known)
            total += (bits ^ (bits >> np.uint64(29))) * (_STEP * np.uint64(2 * at + 1))
        return mixed(total)


def mixed(bits: Hashes) -> Hashes:
    """Return hashes in which every input bit moves every output bit."""
    bits = (bits ^ (bits >> np.uint64(32))) * _MIX
    bits = (bits ^ (bits >> np.uint64(29))) * _STEP
    return bits ^ (bits >> np.uint64(32))


def _bits(column: Column, known: dict[Any, int]) -> Hashes:
    """Return (n,) 64 bits of each value, equal for equal values; one pattern for missing."""
    if column.type.is_numeric:
        bits: Hashes = column.values.view(np.uint64)
        if column.integers is not None:  # a float's bits wherever one tells, whatever else is in the batch
            bits = np.where(beyond_floats(column.integers), column.integers.view(np.uint64), bits)
        return np.where(column.is_missing(), _NAN, bits)
    if column.type is LogicalType.TIME:
        times: Hashes = np.where(column.is_missing(), _NAN, column.values.view(np.uint64))
        return times
    if column.type.is_list:
        # In the one form rows have: whole numbers come from Arrow as integers or as floats.
        same = column_from_values("", column.objects(), column.type).objects()
        return _hashes_of([repr(value).encode() for value in same])
    return _bits_of_text(column.arrow(), known)


def _bits_of_text(values: pa.Array, known: dict[Any, int]) -> Hashes:
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    entries = values.dictionary.to_pylist()
    hashes = list(map(known.get, entries))
    if None in hashes:
        for entry in entries:
            if entry not in known:
                known[entry] = _hash_of(_as_bytes(entry))
        hashes = list(map(known.get, entries))
    indices = values.indices
    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(len(entries))
    bits: Hashes = np.array([*hashes, int(_NAN)], dtype=np.uint64).take(np.asarray(indices))
    return bits


def _as_bytes(entry: Any) -> bytes:
    return entry.encode("utf-8", "surrogatepass") if isinstance(entry, str) else entry or b""


def _hashes_of(values: Sequence[bytes]) -> Hashes:
    return np.array([_hash_of(value) for value in values], dtype=np.uint64)


def _hash_of(value: bytes) -> int:
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "little")
