"""The rows a caller asks for: join keys and request data, checked once at the edge."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from likewise.serving.errors import (
    MissingKeyError,
    TooManyRowsError,
    UnknownFieldError,
    WrongShapeError,
    WrongTypeError,
)
from likewise.serving.plan import FeaturePlan, Field
from likewise.transforms.columns import Column, LogicalType, column_from_values

EVENT_TIMESTAMP = "event_timestamp"
KeyValue: TypeAlias = str | int | bytes | None

_INTEGER_BITS = {"INT32": 31, "INT64": 63}


@dataclass(frozen=True, slots=True)
class EntityRows:
    """n checked rows of a request.

    Attributes
    ----------
    n
        Number of rows.
    keys
        Join key (its name in the request) -> n values; None is a missing key.
    request
        Request data and, if it was sent, `event_timestamp`, as columns of n values.
    """

    n: int
    keys: Mapping[str, Sequence[KeyValue]]
    request: Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class RowRules:
    """How strictly to look at what was sent.

    Attributes
    ----------
    place
        The part of the body that errors name.
    limit
        Most rows of one request.
    ignore_unknown
        Whether fields that nobody reads pass (as on Feast's paths) or are an error (close names are suggested).
    """

    place: str
    limit: int
    ignore_unknown: bool


def check_rows(plan: FeaturePlan, sent: Mapping[str, object], rules: RowRules) -> EntityRows:
    """Return the checked rows of a request.

    Parameters
    ----------
    plan
        Knows the join keys and request fields, by name and type.
    sent
        Name -> list of n JSON values.
    rules
        What to be strict about.

    Raises
    ------
    MissingKeyError, UnknownFieldError, WrongShapeError, WrongTypeError, TooManyRowsError
        Each naming the field, what was expected and what was got.
    """
    _check_presence(plan, sent, rules)
    n = _count_rows(sent, rules)
    keys = {field.name: check_key_values(field, sent[field.name]) for field in plan.join_keys}  # type: ignore[arg-type]
    request = {field.name: _request_column(field, sent[field.name]) for field in plan.request_fields}  # type: ignore[arg-type]
    if EVENT_TIMESTAMP in sent and EVENT_TIMESTAMP not in request:
        request[EVENT_TIMESTAMP] = _request_column(_EVENT_TIMESTAMP, sent[EVENT_TIMESTAMP])  # type: ignore[arg-type]
    return EntityRows(n, keys, request)


def _check_presence(plan: FeaturePlan, sent: Mapping[str, object], rules: RowRules) -> None:
    missing = [field.name for field in (*plan.join_keys, *plan.request_fields) if field.name not in sent]
    if missing:
        _hint_misspelled(missing, plan, sent, rules)
        raise MissingKeyError(missing, rules.place, sent)
    if not rules.ignore_unknown:
        for name in sent.keys() - _known(plan):
            raise UnknownFieldError(name, rules.place, sorted(_known(plan)))


def _hint_misspelled(missing: Iterable[str], plan: FeaturePlan, sent: Mapping[str, object], rules: RowRules) -> None:
    """Name the misspelled field where the number of fields is right; it says more than what is missing."""
    unknown = sorted(sent.keys() - _known(plan))
    if len(unknown) == 1 and len(list(missing)) == 1 and not rules.ignore_unknown:
        raise UnknownFieldError(unknown[0], rules.place, sorted(_known(plan)))


def _known(plan: FeaturePlan) -> set[str]:
    return {field.name for field in (*plan.join_keys, *plan.request_fields)} | {EVENT_TIMESTAMP}


def _count_rows(sent: Mapping[str, object], rules: RowRules) -> int:
    n = -1
    for name, values in sent.items():
        if not isinstance(values, list):
            raise WrongShapeError(
                f"{name!r} in {rules.place!r}",
                "a list with one value per row",
                type(values).__name__,
                f'write {{"{name}": [value]}}',
            )
        if n not in (-1, len(values)):
            raise WrongShapeError(f"{name!r} in {rules.place!r}", f"{n} values, as the other fields", f"{len(values)}")
        n = len(values)
    if n == -1:
        raise WrongShapeError(f"{rules.place!r}", "at least one field with a list of values", "no field")
    if n > rules.limit:
        raise TooManyRowsError(n, rules.limit)
    return n


def check_key_values(field: Field, values: list[object]) -> Sequence[KeyValue]:
    """Return join key values of the field's type; None stays None.

    Raises
    ------
    WrongTypeError
        Naming the row and what was got.
    """
    convert = _KEY_CONVERTERS.get(field.feast_type, _text_key)
    kinds = set(map(type, values))
    if convert is _text_key and kinds == {str}:
        return values  # type: ignore[return-value]
    if convert is _integer_key and kinds == {int} and _fit(field, values):
        return values  # type: ignore[return-value]
    return [None if value is None else convert(field, row, value) for row, value in enumerate(values)]


def _fit(field: Field, values: list[object]) -> bool:
    bound = 2 ** _INTEGER_BITS[field.feast_type]
    return bool(min(values) >= -bound and max(values) < bound)  # type: ignore[type-var]


def _text_key(field: Field, row: int, value: object) -> KeyValue:
    if isinstance(value, str):
        return value
    raise WrongTypeError(field.name, row, "text", value)


def _integer_key(field: Field, row: int, value: object) -> KeyValue:
    # Clients whose only number is a float; beyond 2**53 it may stand for a neighbour, and so for another entity.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    bits = _INTEGER_BITS[field.feast_type]
    if type(value) is int and -(2**bits) <= value < 2**bits:
        return value
    raise WrongTypeError(field.name, row, f"a whole number of {bits + 1} bits", value)


def _bytes_key(field: Field, row: int, value: object) -> KeyValue:
    return _base64(field, row, value)


def _time_key(field: Field, row: int, value: object) -> KeyValue:
    return int(_instant(field, row, value).timestamp())


_KEY_CONVERTERS = {
    "STRING": _text_key,
    "INT32": _integer_key,
    "INT64": _integer_key,
    "BYTES": _bytes_key,
    "UNIX_TIMESTAMP": _time_key,
}
_EVENT_TIMESTAMP = Field(EVENT_TIMESTAMP, LogicalType.TIME, "UNIX_TIMESTAMP")


def _request_column(field: Field, values: list[object]) -> Column:
    """Return a column of request data; JSON has no times and no bytes, so these come as text or numbers."""
    if field.type.element is LogicalType.TIME:
        values = [_each(field, row, value, _instant) for row, value in enumerate(values)]
    elif field.type.element is LogicalType.BYTES:
        values = [_each(field, row, value, _base64) for row, value in enumerate(values)]
    elif field.feast_type in _INTEGER_BITS:  # code of on-demand views would see it cut to a whole number
        values = list(check_key_values(field, values))
    column = column_from_values(field.name, values, field.type)
    if column.integers is not None and field.feast_type not in _INTEGER_BITS:  # as history has it, and the request log
        return Column(field.type, column.values)
    return column


def _each(field: Field, row: int, value: object, convert: object) -> object:
    if value is None:
        return None
    if field.type.is_list and isinstance(value, list):
        return [None if item is None else convert(field, row, item) for item in value]  # type: ignore[operator]
    return convert(field, row, value)  # type: ignore[operator]


def _instant(field: Field, row: int, value: object) -> datetime:
    """Return a time from ISO 8601 text (no zone means UTC) or seconds since 1970, as Feast's clients send it."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, str):
            instant = datetime.fromisoformat(value)
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise WrongTypeError(field.name, row, "an ISO 8601 time or seconds since 1970", value)


def _base64(field: Field, row: int, value: object) -> bytes:
    if isinstance(value, bytes):  # from a file, not from JSON
        return value
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise WrongTypeError(field.name, row, "base64 text", value)
