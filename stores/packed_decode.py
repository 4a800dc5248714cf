"""Packed rows to columns: whole batches at a time, every row checked before any of it is believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_encode import Bits, Cells, Record, Times
from likewise.stores.packed_errors import CorruptRowError
from likewise.stores.packed_joint import JointLayout, join_rows
from likewise.stores.packed_schema import (
    FINGERPRINT_BYTES,
    FIXED,
    FORMAT,
    HEADER_BYTES,
    FieldType,
    RowSchema,
)


@dataclass(frozen=True)
class DecodedRows:
    """n rows of one schema, checked. Cells are taken out by column, on demand.

    Parameters
    ----------
    schema
        The schema of all n rows.
    record
        (n,) structured rows without their tails.
    rows
        The n rows as stored.
    """

    schema: RowSchema
    record: Record
    rows: Sequence[bytes]

    @property
    def event_times(self) -> Times:
        """Return (n,) int64 microseconds since 1970 UTC."""
        return self.record["event"]

    @property
    def created_times(self) -> Times:
        """Return (n,) int64 microseconds since 1970 UTC; `NO_TIME` where unknown."""
        return self.record["created"]

    @cached_property
    def nulls(self) -> Bits | None:
        """Return (k, n) bool, fields in stored order; None when no cell is null."""
        packed = self.record["nulls"]
        if not packed.any():
            return None
        bits = np.unpackbits(packed, axis=1, count=len(self.schema.fields), bitorder="little")
        return np.ascontiguousarray(bits.T).view(np.bool_)

    def block(self, kind: FieldType) -> npt.NDArray[Any]:
        """Return all columns of one fixed type, (count, n) of its stored dtype, in stored order."""
        return np.ascontiguousarray(self.record[kind.name].T)

    def missing(self, place: int) -> Bits | None:
        """Return the (n,) mask of null cells of a field, None when none is."""
        if self.nulls is None:
            return None
        mask = self.nulls[place]
        return mask if mask.any() else None

    def fixed(self, place: int) -> npt.NDArray[Any]:
        """Return the (n,) stored values of a fixed field."""
        kind = self.schema.fields[place].type
        return np.ascontiguousarray(self.record[kind.name][:, place - self.schema.groups[kind][0]])

    def cells(self, place: int) -> list[bytes | None]:
        """Return the n encoded cells of a variable field, None where null."""
        at = place - self.schema.first_variable
        starts, ends = self._bounds[at].tolist(), self._bounds[at + 1].tolist()
        found: list[bytes | None] = [row[start:end] for row, start, end in zip(self.rows, starts, ends, strict=True)]
        missing = self.missing(place)
        if missing is not None:
            for row in np.flatnonzero(missing).tolist():
                found[row] = None
        return found

    @cached_property
    def _bounds(self) -> npt.NDArray[np.int64]:
        """Return (v + 1, n) int64: where each tail cell begins in its row, and where the last ends."""
        return tail_bounds(self.schema, self.record)


def tail_bounds(schema: RowSchema, record: Record) -> npt.NDArray[np.int64]:
    """Return (v + 1, n) int64: where each tail cell begins in its row, and where the last one ends."""
    bounds = np.full((schema.variable_count + 1, len(record)), schema.width, np.int64)
    np.cumsum(record["lengths"].T, axis=0, out=bounds[1:])
    bounds[1:] += schema.width
    return bounds


def fingerprint_of(row: bytes, key: bytes) -> bytes:
    """Return the fingerprint of a row's schema.

    Raises
    ------
    CorruptRowError
        The value is too short for a row, or of another format.
    """
    if len(row) < HEADER_BYTES:
        raise CorruptRowError(key, f"{len(row)} bytes; a row has at least {HEADER_BYTES}")
    if row[0] != FORMAT:
        raise CorruptRowError(key, f"format byte {row[0]}; this version reads {FORMAT}")
    return row[1 : 1 + FINGERPRINT_BYTES]


def rows_if_all_of(schema: RowSchema, rows: Sequence[bytes], keys: Sequence[bytes]) -> DecodedRows | None:
    """Return n rows, checked, if every one of them is of `schema`; else None, and nothing is said of them.

    Raises
    ------
    CorruptRowError
        All rows claim to be of `schema` and one fails its check.
    """
    joint = join_rows(_layout_of(schema), [rows], [keys])
    if joint is None:
        return None
    return DecodedRows(schema, joint.words.view(schema.record)[:, 0], rows)


@lru_cache(maxsize=1024)
def _layout_of(schema: RowSchema) -> JointLayout:
    return JointLayout([schema])


def decode_rows(schema: RowSchema, rows: Sequence[bytes], keys: Sequence[bytes]) -> DecodedRows:
    """Return n rows that all begin as rows of `schema` do, checked.

    Raises
    ------
    CorruptRowError
        A row is of a wrong length or fails its check; the error names its key.
    """
    decoded = rows_if_all_of(schema, rows, keys)
    if decoded is None:  # they begin as the schema's rows do, so they are too short
        _refuse(rows, keys, [len(row) < schema.width for row in rows], f"expected {schema.width} bytes")
    return decoded


def _refuse(rows: Sequence[bytes], keys: Sequence[bytes], wrong: Sequence[bool], reason: str) -> NoReturn:
    key, row = next(compress(zip(keys, rows, strict=True), wrong))
    raise CorruptRowError(key, f"{reason} ({len(row)} bytes)")


def converted(cells: Cells, stored: FieldType, declared: FieldType) -> Cells:
    """Return fixed cells as another fixed type: exact where possible, null where not.

    A field that was retyped keeps answering from its old rows only as far as the value is the same number.
    """
    if stored is declared:
        return cells
    n = len(cells.values)
    if FieldType.UNIX_TIMESTAMP in (stored, declared):
        return Cells(np.zeros(n, FIXED[declared]), np.ones(n, np.bool_))
    values = np.asarray(cells.values)
    with np.errstate(invalid="ignore", over="ignore"):
        new = values.astype(FIXED[declared])
        same = (new.astype(np.longdouble) == values.astype(np.longdouble)) | (np.isnan(new) & np.isnan(values))
    if declared is FieldType.BOOL:
        same &= new <= 1
    missing = ~same if cells.missing is None else cells.missing | ~same
    return Cells(np.where(missing, _empty(declared), new).astype(FIXED[declared]), missing if missing.any() else None)


def _empty(kind: FieldType) -> float:
    return float("nan") if kind in (FieldType.DOUBLE, FieldType.FLOAT) else 0
