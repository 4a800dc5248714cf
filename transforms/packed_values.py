"""Lists of categories as plain arrays: text and bytes as one byte string with offsets, numbers as they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.errors import ArtifactError
from likewise.transforms.kind import Arrays
from likewise.transforms.logical_types import LogicalType


def pack(name: str, logical: LogicalType, values: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that hold `values`, under names that begin with `name`.

    text, bytes: `name` uint8 and `name.offsets` int64 (n + 1,). time: `name` int64.
    numbers: `name` float64, and `name.exact` int64 when integers beyond 2**53 are among them; 0 for what is no integer.
    """
    if logical in (LogicalType.TEXT, LogicalType.BYTES):
        pieces = [v.encode("utf-8", "surrogatepass") if isinstance(v, str) else v for v in values]
        offsets = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum([len(p) for p in pieces], out=offsets[1:])
        return {name: np.frombuffer(b"".join(pieces), np.uint8), f"{name}.offsets": offsets}
    if logical is LogicalType.TIME:
        return {name: np.array(values, dtype=np.int64)}
    packed: dict[str, npt.NDArray[Any]] = {name: np.array(values, dtype=np.float64)}
    if any(isinstance(v, int) and abs(v) > 2**53 for v in values):
        packed[f"{name}.exact"] = np.array([_as_int64(v) for v in values], dtype=np.int64)
    return packed


def _as_int64(value: Any) -> int:
    # Floats may stand among integers: halves, infinities, what is beyond int64.
    is_whole = isinstance(value, int) or value.is_integer()
    return int(value) if is_whole and -(2**63) <= value < 2**63 else 0


def unpack(name: str, logical: LogicalType, arrays: Arrays) -> list[Any]:
    """Return the values `pack` packed.

    Raises
    ------
    ArtifactError
        An array is absent or of another dtype, or offsets do not fit, or text is no UTF-8.
    """
    if logical in (LogicalType.TEXT, LogicalType.BYTES):
        return _strings(name, logical, arrays)
    if logical is LogicalType.TIME:
        times: list[Any] = array_of(arrays, name, np.int64).tolist()
        return times
    numbers: list[Any] = array_of(arrays, name, np.float64).tolist()
    if any(v != v for v in numbers):
        raise ArtifactError(f"array {name!r} holds NaN among categories")
    if f"{name}.exact" not in arrays:
        return numbers
    exact: list[int] = array_of(arrays, f"{name}.exact", np.int64).tolist()
    if len(exact) != len(numbers):
        raise ArtifactError(f"array {name!r} and its exact integers differ in length")
    return [whole if abs(whole) > 2**53 else number for whole, number in zip(exact, numbers, strict=True)]


def _strings(name: str, logical: LogicalType, arrays: Arrays) -> list[Any]:
    text = array_of(arrays, name, np.uint8).tobytes()
    offsets = array_of(arrays, f"{name}.offsets", np.int64)
    sound = len(offsets) >= 1 and offsets[0] == 0 and offsets[-1] == len(text)
    if not sound or bool((offsets[1:] < offsets[:-1]).any()):
        raise ArtifactError(f"the offsets of {name!r} do not fit its bytes")
    bounds = offsets.tolist()
    pieces: list[Any] = [text[a:b] for a, b in pairwise(bounds)]
    if logical is LogicalType.BYTES:
        return pieces
    try:
        return [p.decode("utf-8", "surrogatepass") for p in pieces]
    except UnicodeDecodeError as error:
        raise ArtifactError(f"array {name!r} holds text that is no UTF-8 ({error.reason})") from None


def array_of(arrays: Arrays, name: str, dtype: Any, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any]:
    """Return one array of a fitted state, checked: present, of this dtype, one-dimensional or of `shape`."""
    if name not in arrays:
        raise ArtifactError(f"array {name!r} is absent")
    array = arrays[name]
    if array.dtype != np.dtype(dtype):
        raise ArtifactError(f"array {name!r} should be {np.dtype(dtype)}, is {array.dtype}")
    expected = shape if shape is not None else (array.size,)
    if array.shape != expected:
        raise ArtifactError(f"array {name!r} should have shape {expected}, has {array.shape}")
    kept = array.copy()
    kept.flags.writeable = False
    return kept
