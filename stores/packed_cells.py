"""How single cells are written where an array of them has no simpler form, and which types read alike."""

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_schema import ARRAYS, BLOBS, NO_TIME, FieldType

MICROSECONDS: Final = 1_000_000


def readable_as(stored: FieldType, declared: FieldType) -> bool:
    """Return whether cells stored as one variable type mean the same as another."""
    return stored is declared or {stored, declared} <= BLOBS or {stored, declared} == {FieldType.STRING, FieldType.JSON}


def whole_seconds(micros: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return whole seconds as Feast counts them: cut towards 1970."""
    seconds = micros // MICROSECONDS
    return seconds + ((micros < 0) & (micros % MICROSECONDS != 0))  # type: ignore[no-any-return]


def array_items(kind: FieldType, cell: bytes) -> list[Any]:
    """Return the items of an array cell as Python numbers (times: seconds)."""
    items = np.frombuffer(cell, ARRAYS[kind])
    if kind is FieldType.UNIX_TIMESTAMP_LIST:
        return np.where(items == NO_TIME, NO_TIME, whole_seconds(items)).tolist()  # type: ignore[no-any-return]
    return (items != 0 if kind is FieldType.BOOL_LIST else items).tolist()  # type: ignore[no-any-return]


def packed_items(items: Sequence[bytes]) -> bytes:
    """Return the cell of a list of texts or bytes: count, lengths, then the items."""
    lengths = [len(item) for item in items]
    return struct.pack(f"<{len(items) + 1}I", len(items), *lengths) + b"".join(items)


def string_items(kind: FieldType, cell: bytes) -> list[Any]:
    """Return the texts or bytes of a list cell."""
    (count,) = struct.unpack_from("<I", cell)
    lengths = struct.unpack_from(f"<{count}I", cell, 4)
    start, items = 4 + 4 * count, []
    for length in lengths:
        items.append(cell[start : start + length])
        start += length
    return [item.decode() for item in items] if kind is FieldType.STRING_LIST else items
