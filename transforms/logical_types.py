"""What a column means, whatever dtype carries it."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

# What an error says of types that no kind reads: maps, structs, lists of lists, durations, times of day.
READABLE = "a number, boolean, text, bytes, time, or a list of one of these (take maps and structs apart at the source)"


class LogicalType(StrEnum):
    """What a column means, whatever dtype carries it."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    BYTES = "bytes"
    TIME = "time"
    LIST_NUMBER = "list<number>"
    LIST_BOOLEAN = "list<boolean>"
    LIST_TEXT = "list<text>"
    LIST_BYTES = "list<bytes>"
    LIST_TIME = "list<time>"

    @property
    def is_list(self) -> bool:
        """Whether a value is a list."""
        return self.value.startswith("list<")

    @property
    def element(self) -> LogicalType:
        """The type of a list's elements; a scalar type itself otherwise."""
        return LogicalType(self.value[5:-1]) if self.is_list else self

    @property
    def is_numeric(self) -> bool:
        """Whether values are held as float64 (numbers and booleans)."""
        return self in (LogicalType.NUMBER, LogicalType.BOOLEAN)

    @classmethod
    def from_arrow(cls, data_type: pa.DataType) -> LogicalType:
        """Return the logical type of an Arrow type.

        Raises
        ------
        TypeError
            For Arrow types without a logical type (null, struct, map, duration, time of day).
        """
        if pa.types.is_dictionary(data_type):
            return cls.from_arrow(data_type.value_type)
        if _is_list(data_type):
            element = cls.from_arrow(data_type.value_type)
            if element.is_list:
                raise TypeError(str(data_type))
            return cls(f"list<{element.value}>")
        for accepts, logical in _ARROW_SCALARS:
            if accepts(data_type):
                return logical
        raise TypeError(str(data_type))

    def to_arrow(self) -> pa.DataType:
        """Return the Arrow type in which values of this type are exchanged."""
        scalar = {
            LogicalType.NUMBER: pa.float64(),
            LogicalType.BOOLEAN: pa.bool_(),
            LogicalType.TEXT: pa.string(),
            LogicalType.BYTES: pa.binary(),
            LogicalType.TIME: pa.timestamp("us", tz="UTC"),
        }[self.element]
        return pa.list_(scalar) if self.is_list else scalar


def _is_list(data_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(data_type) or pa.types.is_large_list(data_type) or pa.types.is_fixed_size_list(data_type)
    )


def _is_number(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_integer(data_type) or pa.types.is_floating(data_type) or pa.types.is_decimal(data_type))


def is_text_type(data_type: pa.DataType) -> bool:
    """Return whether an Arrow type holds text."""
    return bool(
        pa.types.is_string(data_type) or pa.types.is_large_string(data_type) or pa.types.is_string_view(data_type)
    )


def _is_bytes(data_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(data_type)
        or pa.types.is_large_binary(data_type)
        or pa.types.is_fixed_size_binary(data_type)
        or pa.types.is_binary_view(data_type)
    )


def _is_time(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(data_type) or pa.types.is_date(data_type))


_ARROW_SCALARS = (
    (_is_number, LogicalType.NUMBER),
    (pa.types.is_boolean, LogicalType.BOOLEAN),
    (is_text_type, LogicalType.TEXT),
    (_is_bytes, LogicalType.BYTES),
    (_is_time, LogicalType.TIME),
)
