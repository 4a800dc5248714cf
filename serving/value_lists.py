"""Columns as lists of JSON values, spelled as Feast spells them."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import inf, isfinite
from typing import Any

import numpy as np

from likewise.serving.feast_types import is_integer
from likewise.serving.plan import Field
from likewise.transforms.columns import Column, LogicalType

EPOCH_TEXT = "1970-01-01T00:00:00Z"
_MICROSECOND = 1_000_000


class ValueLists:
    """Writes the columns of one plan; how each is spelled is worked out once.

    Parameters
    ----------
    fields
        Name of the column in an answer, and its field.
    """

    def __init__(self, fields: Sequence[tuple[str, Field]]) -> None:
        self._count = len(fields)
        numbers = [(at, name, field) for at, (name, field) in enumerate(fields) if field.type.is_numeric]
        self._numbers = [(at, name, _number_spelling(field)) for at, name, field in numbers]
        self._others = [
            (at, name, _other_spelling(field)) for at, (name, field) in enumerate(fields) if not field.type.is_numeric
        ]

    def of(self, columns: Mapping[str, Column], n: int) -> list[list[Any]]:
        """Return n JSON values for each field, None where missing."""
        lists: list[list[Any]] = [[]] * self._count
        if n == 1:
            # One number at a time: for a single row an array operation costs more than it saves.
            for at, name, spell in self._numbers:
                lists[at] = [_number(columns[name], spell)]
        elif self._numbers:
            self._write_numbers(lists, columns)
        for at, name, spell_all in self._others:
            lists[at] = spell_all(columns[name])
        return lists

    def _write_numbers(self, lists: list[list[Any]], columns: Mapping[str, Column]) -> None:
        matrix = np.array([columns[name].values for _, name, _ in self._numbers])
        plain = np.isfinite(matrix).all(axis=1).tolist()
        for place, (at, name, spell) in enumerate(self._numbers):
            column = columns[name]
            if column.integers is not None:
                exact, gone = column.integers.tolist(), np.isnan(matrix[place]).tolist()
                lists[at] = [None if absent else value for value, absent in zip(exact, gone, strict=True)]
            elif not plain[place]:
                lists[at] = [_odd_number(value, spell) for value in matrix[place].tolist()]
            elif spell is int:
                lists[at] = matrix[place].astype(np.int64).tolist()
            else:
                lists[at] = matrix[place].tolist() if spell is float else matrix[place].astype(bool).tolist()


Spelling = Callable[[Any], Any]


def _number_spelling(field: Field) -> Spelling:
    if field.type is LogicalType.BOOLEAN:
        return bool
    return int if is_integer(field.feast_type) else float


def _number(column: Column, spell: Spelling) -> Any:
    value = column.values.item()
    if spell is float and value - value == 0.0:  # finite
        return value
    if column.integers is not None and value == value:
        return column.integers.item()
    return _odd_number(value, spell)


def _odd_number(value: float, spell: Spelling) -> Any:
    if isfinite(value):
        return spell(value)
    return None if value != value else _infinity(value)


def _infinity(value: float) -> str:
    """Return an infinity as protobuf's JSON spells it."""
    return "Infinity" if value > 0 else "-Infinity"


def _other_spelling(field: Field) -> Callable[[Column], list[Any]]:
    if field.type is LogicalType.TEXT:
        return _texts
    if field.type is LogicalType.TIME:
        return _seconds
    spell = _element_spelling(field)
    if field.type.is_list:
        return lambda column: [None if items is None else _spelled(items, spell) for items in column.objects()]
    return lambda column: [None if value is None else spell(value) for value in column.objects()]


def _spelled(items: Any, spell: Spelling) -> list[Any]:
    return [None if item is None else spell(item) for item in items]


def _texts(column: Column) -> list[Any]:
    values = column.values
    return values.tolist() if isinstance(values, np.ndarray) else column.objects()


def _seconds(column: Column) -> list[Any]:
    seconds = (np.asarray(column.values) // _MICROSECOND).tolist()
    if column.missing is None:
        return seconds  # type: ignore[no-any-return]
    return [None if gone else at for at, gone in zip(seconds, column.missing.tolist(), strict=True)]


def _element_spelling(field: Field) -> Spelling:
    element = field.type.element
    if element is LogicalType.BYTES:
        return lambda value: base64.b64encode(value).decode("ascii")
    if element is LogicalType.TIME:
        return _list_seconds
    if element is LogicalType.BOOLEAN:
        return bool
    if element is LogicalType.NUMBER:
        return int if is_integer(field.feast_type) else _list_number
    return str


def _list_number(value: float) -> Any:
    return "NaN" if value != value else value if abs(value) != inf else _infinity(value)


def _list_seconds(value: Any) -> int:
    if isinstance(value, datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    return int(value) // _MICROSECOND


def time_texts(microseconds: Sequence[int]) -> list[str]:
    """Return RFC 3339 texts with as many digits as needed (0, 3 or 6), as Feast writes them."""
    return [time_text(at) for at in microseconds]


@lru_cache(maxsize=8192)  # rows of one materialization share their times
def time_text(microseconds: int) -> str:
    """Return one time as RFC 3339 text; the epoch for times that are not known."""
    if microseconds <= 0:
        return EPOCH_TEXT
    whole, rest = divmod(microseconds, _MICROSECOND)
    try:
        text = datetime.fromtimestamp(whole, UTC).isoformat()[:19]
    except (ValueError, OverflowError):  # beyond year 9999
        return EPOCH_TEXT
    if not rest:
        return f"{text}Z"
    return f"{text}.{rest // 1000:03d}Z" if rest % 1000 == 0 else f"{text}.{rest:06d}Z"
