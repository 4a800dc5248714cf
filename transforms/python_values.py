"""Python values, as requests and rows hold them, checked and turned into what a column holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from likewise.transforms.errors import ColumnTypeError

PLAIN_NUMBERS = frozenset({int, float, type(None)})
PLAIN_TEXTS = frozenset({str, type(None)})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def numbers_from_values(name: str, values: Sequence[object]) -> npt.NDArray[np.float64]:
    """Return (n,) float64 from numbers and None; NaN where missing, -0.0 as 0.0.

    Raises
    ------
    ColumnTypeError
        For text, booleans and whatever else is no number.
    """
    if not PLAIN_NUMBERS.issuperset(map(type, values)):
        values = [_plain_number(name, value) for value in values]
    try:
        return np.array(values, dtype=np.float64) + 0.0
    except OverflowError:
        raise ColumnTypeError(name, "number", "an integer beyond the range of float64") from None


def _plain_number(name: str, value: object) -> float | int | None:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        raise ColumnTypeError(name, "number", f"boolean {value!r}")
    if isinstance(value, (int, float, np.integer, np.floating, Decimal)):
        return float(value)
    if type(value).__name__ in {"NAType", "NaTType"}:  # the missing marks of pandas
        return None
    raise ColumnTypeError(name, "number", f"{type(value).__name__} {value!r}")


def _boolean(name: str, value: object) -> float:
    if isinstance(value, (bool, np.bool_, int, float)) and value in (0, 1):
        return float(value)
    raise ColumnTypeError(name, "boolean", f"{type(value).__name__} {value!r}")


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    raise ColumnTypeError(name, "text", f"{type(value).__name__} {value!r}")


def _bytes(name: str, value: object) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise ColumnTypeError(name, "bytes", f"{type(value).__name__} {value!r}")


def _number(name: str, value: object) -> float:
    plain = _plain_number(name, value)
    return float("nan") if plain is None else float(plain) + 0.0


def _microseconds(name: str, value: object) -> int:
    """Return microseconds since 1970-01-01 UTC; a time without a zone is taken as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ColumnTypeError(name, "time", f"text {value!r}, which is no ISO 8601 time") from None
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[us]").astype(np.int64))
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (zoned - _EPOCH) // _MICROSECOND
    if isinstance(value, date):
        return (datetime(value.year, value.month, value.day, tzinfo=UTC) - _EPOCH) // _MICROSECOND
    raise ColumnTypeError(name, "time", f"{type(value).__name__} {value!r}")


def _list_of(element: Callable[[str, object], object]) -> Callable[[str, object], object]:
    def convert(name: str, value: object) -> object:
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise ColumnTypeError(name, "list", f"{type(value).__name__} {value!r}")
        return [None if v is None else element(name, v) for v in value]

    return convert


_CONVERTERS: dict[str, Callable[[str, object], object]] = {
    "number": _number,
    "boolean": _boolean,
    "text": _text,
    "bytes": _bytes,
    "time": _microseconds,
}
_ELEMENTS = {**_CONVERTERS, "boolean": lambda name, value: bool(_boolean(name, value))}
_CONVERTERS |= {f"list<{kind}>": _list_of(convert) for kind, convert in _ELEMENTS.items()}


def converter(logical: str) -> Callable[[str, object], object]:
    """Return the function (column name, value) -> checked value of a logical type."""
    return _CONVERTERS[logical]
