"""Cells to packed rows: whole columns at a time."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from likewise.stores.packed_schema import FORMAT, Field, FieldType, RowSchema, check_weights

Bits = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Times = npt.NDArray[np.int64]
Record = np.ndarray[Any, np.dtype[np.void]]


CHECK_WORD: Final = 3  # its low half is the check field
LOW_HALF: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Cells:
    """n cells of one field.

    Parameters
    ----------
    values
        Fixed types: (n,) numbers of the type's stored dtype (times: microseconds). Other types: n encoded cells
        as a pyarrow large_binary array.
    missing
        (n,) bool, or None when no cell is null. The value of a null cell does not matter.
    """

    values: npt.NDArray[Any] | pa.Array
    missing: Bits | None = None


@dataclass(frozen=True, slots=True)
class RowTimes:
    """When n rows happened and when they became known.

    Parameters
    ----------
    event, created
        (n,) int64 microseconds since 1970 UTC; `created` is `NO_TIME` where a row has none.
    """

    event: Times
    created: Times


def encode_rows(schema: RowSchema, times: RowTimes, cells: Mapping[str, Cells]) -> list[bytes]:
    """Return n packed rows; a field without cells is null in all of them."""
    n = len(times.event)
    record: Record = np.zeros(n, schema.record)
    record["format"] = FORMAT
    record["fingerprint"] = np.frombuffer(schema.fingerprint, np.uint8)
    record["event"], record["created"] = times.event, times.created
    nulls = np.ones((n, len(schema.fields)), np.bool_)
    for place, field in enumerate(schema.fields):
        if field.name in cells:
            missing = cells[field.name].missing
            nulls[:, place] = False if missing is None else missing
    _fill_fixed(record, schema, cells, nulls)
    tails = _fill_tails(record, schema, cells, nulls)
    record["nulls"] = np.packbits(nulls, axis=1, bitorder="little")
    record["check"] = fixed_checks(record, schema.width)
    return _joined(record, schema.width, tails)


def fixed_checks(record: Record, width: int) -> npt.NDArray[np.uint32]:
    """Return the check of each row's fixed part, whatever its check field holds now, (n,) uint32."""
    words = record.view("<u8").reshape(len(record), width // 8)
    return word_checks(words, words[:, CHECK_WORD] & LOW_HALF).astype(np.uint32)


def word_checks(words: Words, held: Words) -> Words:
    """Return the check of n rows given as 8-byte words, (n,) uint64 below 2**32.

    Parameters
    ----------
    words
        (n, w) the fixed parts.
    held
        (n,) what the check fields hold now: it is taken out of the sums again.
    """
    weights = check_weights(words.shape[1])
    return _folded(words @ weights, held, weights)


def segment_checks(words: Words, held: Words, weights: Words, segments: npt.NDArray[np.intp]) -> Words:
    """Return what `word_checks` returns, for several rows side by side, (n, m) uint64 below 2**32.

    Parameters
    ----------
    words
        (n, w) the fixed parts of m rows each.
    held
        (n, m) what the check fields hold now.
    weights
        (w,) the multipliers of each row, one after the other.
    segments
        (m,) the word at which each row begins.
    """
    return _folded(np.add.reduceat(words * weights, segments, axis=1), held, weights)


def _folded(sums: Words, held: Words, weights: Words) -> Words:
    checks: Words = (sums - held * weights[CHECK_WORD]) >> _HALF
    return checks


def _fill_fixed(record: Record, schema: RowSchema, cells: Mapping[str, Cells], nulls: Bits) -> None:
    for kind, (first, count) in schema.groups.items():
        block = record[kind.name]
        # A null number reads as NaN without a look at the bitmap; every other null cell is zero.
        empty = np.nan if kind in (FieldType.DOUBLE, FieldType.FLOAT) else 0
        for place in range(first, first + count):
            given = cells.get(schema.fields[place].name)
            column = empty if given is None else given.values
            block[:, place - first] = column
            if given is not None and given.missing is not None:
                block[nulls[:, place], place - first] = empty


def _fill_tails(record: Record, schema: RowSchema, cells: Mapping[str, Cells], nulls: Bits) -> pa.Array | None:
    """Write the lengths and checks of the tails; return n tails, or None when the schema has none."""
    if not schema.variable_count:
        return None
    columns = []
    for place in range(schema.first_variable, len(schema.fields)):
        column = _tail_cells(schema.fields[place], cells, nulls[:, place])
        record["lengths"][:, place - schema.first_variable] = pc.binary_length(column).to_numpy()
        columns.append(column)
    tails = (
        columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, pa.scalar(b"", pa.large_binary()))
    )
    record["tail_check"] = [zlib.crc32(tail) for tail in tails.to_pylist()]
    return tails


def _tail_cells(field: Field, cells: Mapping[str, Cells], missing: Bits) -> pa.Array:
    n = len(missing)
    if field.name not in cells:
        return pa.repeat(pa.scalar(b"", pa.large_binary()), n)
    values = cells[field.name].values
    if missing.any():
        values = pc.if_else(pa.array(missing), pa.scalar(b"", pa.large_binary()), values)
    return values


def _joined(record: Record, width: int, tails: pa.Array | None) -> list[bytes]:
    joined = record.tobytes()
    rows = [joined[start : start + width] for start in range(0, len(joined), width)]
    if tails is None:
        return rows
    return [row + tail for row, tail in zip(rows, tails.to_pylist(), strict=True)]
