"""Golden rows: raw rows kept inside a fitted transform, replayed wherever it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import Column, InputSpec, column_from_objects, column_from_values
from likewise.transforms.errors import ArtifactError, GoldenMismatchError
from likewise.transforms.kind import Arrays
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.packed_values import array_of, pack, unpack
from likewise.transforms.row_hash import row_hashes

# Enough to meet most codes of most columns without making artifacts heavy.
DATA_ROWS = 16

_ODD_VALUES: dict[LogicalType, tuple[Any, ...]] = {
    LogicalType.NUMBER: (None, float("inf"), float("-inf"), 1e300, -1e300, 0.0, -1.0, 0.5, 1e-300, 2.0**53 + 2),
    LogicalType.BOOLEAN: (None, 0.0, 1.0),
    LogicalType.TEXT: (None, "", " ", "never seen \N{SNOWMAN}", "NEVER SEEN", "0", "nan", "a b, c"),
    LogicalType.BYTES: (None, b"", b"\x00\xff"),
    # The years 0001, 1677, 1969 to 1970, 2038 and 9999: where calendars and integers of others end.
    LogicalType.TIME: (None, -62135596800000000, -9223372036854775, -1, 0, 2147483648000000, 253402300799999999),
}


def odd_rows(inputs: Sequence[InputSpec]) -> list[list[Any]]:
    """Return rows of values that break naive code: all missing, then each type's odd values together."""
    choices = [odd_values(spec.type) for spec in inputs]
    return [[c[at % len(c)] for c in choices] for at in range(max(map(len, choices), default=0))]


def odd_values(logical: LogicalType) -> tuple[Any, ...]:
    """Return values of a type that break naive code, a missing one among them."""
    if not logical.is_list:
        return _ODD_VALUES[logical]
    return (None, [], list(_ODD_VALUES[logical.element]), [None])


class RowSample:
    """The rows with the smallest hashes: the same sample for any order and partition of the data.

    It also adds up all hashes, which fingerprints the data.
    """

    __slots__ = ("_inputs", "_keep", "_known", "_rows", "fingerprint", "rows")

    def __init__(self, inputs: Sequence[InputSpec], keep: int) -> None:
        self._inputs = tuple(inputs)
        self._keep = keep
        self._rows: dict[tuple[int, str], list[Any]] = {}
        self._known: dict[Any, int] = {}
        self.rows = 0
        self.fingerprint = 0

    def update(self, columns: Mapping[str, Column]) -> None:
        """Consider the rows of a batch."""
        ordered = [columns[spec.name] for spec in self._inputs]
        if not ordered or not len(ordered[0]):
            return
        hashes = row_hashes(ordered, self._known)
        self.rows += len(hashes)
        self.fingerprint = (self.fingerprint + int(np.add.reduce(hashes))) % 2**64
        if self._keep:
            self._consider(ordered, hashes)

    def _consider(self, columns: Sequence[Column], hashes: npt.NDArray[np.uint64]) -> None:
        at = np.unique(hashes, return_index=True)[1][: self._keep] if len(hashes) <= 4096 else self._lowest(hashes)
        if len(self._rows) >= self._keep:
            worst = max(self._rows)[0]
            at = at[hashes[at] <= np.uint64(worst)]
        if len(at):
            picked = [_take(column, at) for column in columns]
            for place, row in enumerate(zip(*picked, strict=True)):
                values = list(row)
                # The text settles which of two different rows of one hash comes first.
                self._rows[int(hashes[at[place]]), repr(values)] = values
            self._trim()

    def _lowest(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
        bound = np.partition(hashes, 4 * self._keep)[4 * self._keep]
        near = np.flatnonzero(hashes <= bound)
        if len(near) > 64 * self._keep:  # many rows alike
            near = near[np.unique(hashes[near], return_index=True)[1]]
            if len(near) < self._keep:
                near = np.unique(hashes, return_index=True)[1][: self._keep]
        return near

    def _trim(self) -> None:
        for key in sorted(self._rows)[self._keep :]:
            del self._rows[key]

    def part(self) -> RowSample:
        """Return an empty one."""
        return RowSample(self._inputs, self._keep)

    def merge(self, other: RowSample) -> None:
        """Consider another part's sample."""
        self.rows += other.rows
        self.fingerprint = (self.fingerprint + other.fingerprint) % 2**64
        self._rows |= other._rows
        self._trim()

    def chosen(self) -> list[list[Any]]:
        """Return the sampled rows, lowest hash first."""
        return [self._rows[key] for key in sorted(self._rows)]


def _take(column: Column, at: npt.NDArray[np.intp]) -> list[Any]:
    values = column.values.take(at)
    integers = None if column.integers is None else column.integers[at]
    missing = None if column.missing is None else column.missing[at]
    taken = Column(column.type, values, missing, integers).objects()
    if column.type.is_list:  # to the one form that rows have
        return column_from_values("", taken, column.type).objects()
    return taken


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRows:
    """Raw rows and the exact tensors they give.

    Parameters
    ----------
    columns
        Per input its g values.
    tensors
        Per output its (g, ...) values.
    """

    columns: Mapping[str, Column]
    tensors: Mapping[str, npt.NDArray[Any]]

    def compare(self, tensors: Mapping[str, npt.NDArray[Any]], row: int | None = None) -> None:
        """Raise GoldenMismatchError unless the tensors have the recorded bits (any NaN equals any)."""
        for name, recorded in self.tensors.items():
            expected = recorded if row is None else recorded[row : row + 1]
            got = tensors[name]
            same = (expected == got) & (np.signbit(expected) == np.signbit(got)) | (
                (expected != expected) & (got != got)
            )
            if not bool(same.all()):
                at = tuple(np.argwhere(~same)[0].tolist())
                raise GoldenMismatchError(name, at[0] + (row or 0), expected[at].item(), got[at].item())


def pack_columns(inputs: Sequence[InputSpec], columns: Mapping[str, Column]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays `golden.in.0`, ... of golden inputs."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for at, spec in enumerate(inputs):
        arrays |= _pack(f"golden.in.{at}", spec.type, columns[spec.name].objects())
    return arrays


def unpack_columns(inputs: Sequence[InputSpec], arrays: Arrays) -> dict[str, Column]:
    """Return golden inputs from their arrays, checked."""
    return {
        spec.name: column_from_objects(spec.name, _unpack(f"golden.in.{at}", spec.type, arrays), spec.type)
        for at, spec in enumerate(inputs)
    }


_BLANK = {LogicalType.TEXT: "", LogicalType.BYTES: b"", LogicalType.TIME: 0}


def _pack(name: str, logical: LogicalType, values: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    missing = np.array([v is None for v in values], dtype=np.bool_)
    arrays = {f"{name}.missing": missing}
    if logical.is_list:
        arrays[f"{name}.lengths"] = np.array([len(v or ()) for v in values], dtype=np.int64)
        items = [item for v in values for item in v or ()]
        return arrays | _pack(f"{name}.items", logical.element, items)
    blank = _BLANK.get(logical, 0.0)
    return arrays | pack(name, logical, [blank if v is None else v for v in values])


def _unpack(name: str, logical: LogicalType, arrays: Arrays) -> list[Any]:
    missing = array_of(arrays, f"{name}.missing", np.bool_).tolist()
    if logical.is_list:
        items = iter(_unpack(f"{name}.items", logical.element, arrays))
        lengths = array_of(arrays, f"{name}.lengths", np.int64)
        total = len(array_of(arrays, f"{name}.items.missing", np.bool_))
        if bool((lengths < 0).any()) or int(lengths.sum()) != total:
            raise ArtifactError(f"the lengths of {name!r} do not fit its items")
        values: list[Any] = [[next(items) for _ in range(length)] for length in lengths.tolist()]
    else:
        values = unpack(name, logical, arrays)
    if len(values) != len(missing):
        raise ArtifactError(f"{name!r} and its missing mask differ in length")
    return [None if absent else value for value, absent in zip(values, missing, strict=True)]
