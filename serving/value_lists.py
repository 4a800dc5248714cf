"""Columns as lists of JSON values, spelled as Feast spells them."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf, isfinite
from typing import Any

import numpy as np

from likewise.serving.feast_types import is_integer
from likewise.transforms.columns import Column, LogicalType

EPOCH_TEXT = "1970-01-01T00:00:00Z"
_MICROSECOND = 1_000_000


def value_lists(columns: Iterable[Column], feast_types: Iterable[str]) -> list[list[Any]]:
    """Return n JSON values for each column, None where missing.

    Numbers of many columns are taken out together: for one row that is several times faster than one by one.
    """
    items = list(zip(columns, feast_types, strict=True))
    plain = [at for at, (column, _) in enumerate(items) if column.type.is_numeric and column.integers is None]
    lists: list[list[Any]] = [[]] * len(items)
    if plain:
        matrix = np.array([items[at][0].values for at in plain])
        missing = np.isnan(matrix)
        gaps = missing.any(axis=1).tolist() if missing.any() else None
        infinite = bool(np.isinf(matrix).any())
        for place, (at, values) in enumerate(zip(plain, matrix.tolist(), strict=True)):
            lists[at] = _numbers(items[at][0].type, items[at][1], values, with_gaps=gaps is not None and gaps[place])
            if infinite:
                lists[at] = [_finite(value) for value in lists[at]]
    for at in set(range(len(items))).difference(plain):
        lists[at] = _others(*items[at])
    return lists


def _numbers(kind: LogicalType, feast_type: str, values: list[float], *, with_gaps: bool) -> list[Any]:
    convert: Any = bool if kind is LogicalType.BOOLEAN else int if is_integer(feast_type) else None
    if with_gaps:
        # NaN is the one value that differs from itself.
        return [
            None if value != value else convert(value) if convert and isfinite(value) else value for value in values
        ]
    return [convert(value) if isfinite(value) else value for value in values] if convert else values


def _finite(value: Any) -> Any:
    """Return infinities as protobuf's JSON spells them."""
    return {inf: "Infinity", -inf: "-Infinity"}.get(value, value) if isinstance(value, float) else value


def _others(column: Column, feast_type: str) -> list[Any]:
    if column.type is LogicalType.TIME:
        missing = column.missing
        seconds = (np.asarray(column.values) // _MICROSECOND).tolist()
        return seconds if missing is None else [None if gone else at for at, gone in zip(seconds, missing, strict=True)]
    return [None if value is None else _spelled(value, column.type.element, feast_type) for value in column.objects()]


def _spelled(value: Any, element: LogicalType, feast_type: str) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [None if item is None else _spelled(item, element, feast_type) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if element is LogicalType.TIME:
        return int(value) // _MICROSECOND
    if element is LogicalType.BOOLEAN:
        return bool(value)
    if element is LogicalType.NUMBER:
        return int(value) if is_integer(feast_type) and isfinite(value) else _nan_or(value)
    return value


def _nan_or(value: float) -> Any:
    return "NaN" if value != value else _finite(float(value))


def time_texts(microseconds: Sequence[int]) -> list[str]:
    """Return RFC 3339 texts with as many digits as needed (0, 3 or 6), as Feast writes them."""
    known: Mapping[int, str] = {at: _time_text(at) for at in set(microseconds)}
    return [known[at] for at in microseconds]


def _time_text(microseconds: int) -> str:
    if microseconds <= 0:
        return EPOCH_TEXT
    whole, rest = divmod(microseconds, _MICROSECOND)
    try:
        text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError):  # beyond year 9999
        return EPOCH_TEXT
    if not rest:
        return f"{text}Z"
    return f"{text}.{rest // 1000:03d}Z" if rest % 1000 == 0 else f"{text}.{rest:06d}Z"
