"""Feast's value types, by name: the logical type, the Arrow type and whether JSON spells it as a whole number."""

from collections.abc import Mapping

import pyarrow as pa

from likewise.serving.errors import UnservableViewError
from likewise.transforms.columns import LogicalType

TIME = pa.timestamp("us", tz="UTC")

_SCALARS: Mapping[str, tuple[LogicalType, pa.DataType]] = {
    "INT32": (LogicalType.NUMBER, pa.int32()),
    "INT64": (LogicalType.NUMBER, pa.int64()),
    "FLOAT": (LogicalType.NUMBER, pa.float32()),
    "DOUBLE": (LogicalType.NUMBER, pa.float64()),
    "BOOL": (LogicalType.BOOLEAN, pa.bool_()),
    "STRING": (LogicalType.TEXT, pa.string()),
    "UUID": (LogicalType.TEXT, pa.string()),
    "TIME_UUID": (LogicalType.TEXT, pa.string()),
    "JSON": (LogicalType.TEXT, pa.string()),
    "DECIMAL": (LogicalType.TEXT, pa.string()),
    "BYTES": (LogicalType.BYTES, pa.binary()),
    "IMAGE_BYTES": (LogicalType.BYTES, pa.binary()),
    "PDF_BYTES": (LogicalType.BYTES, pa.binary()),
    "UNIX_TIMESTAMP": (LogicalType.TIME, TIME),
}
_LIST = "_LIST"


def logical_type(feast_type: str, where: str) -> LogicalType:
    """Return the logical type of a Feast value type.

    Raises
    ------
    UnservableViewError
        The type (a map, a struct, a set) has no logical type.
    """
    return _lookup(feast_type, where)[0]


def arrow_type(feast_type: str) -> pa.DataType:
    """Return the Arrow type in which on-demand views get values of a Feast value type."""
    return _lookup(feast_type, feast_type)[1]


def is_integer(feast_type: str) -> bool:
    """Return whether values of a Feast value type (or its elements) are whole numbers."""
    return feast_type.removesuffix(_LIST) in ("INT32", "INT64")


def _lookup(feast_type: str, where: str) -> tuple[LogicalType, pa.DataType]:
    scalar = _SCALARS.get(feast_type.removesuffix(_LIST))
    if scalar is None:
        raise UnservableViewError(
            where, f"type {feast_type} has no logical type", "declare a number, text, time or list"
        )
    logical, arrow = scalar
    if feast_type.endswith(_LIST):
        return LogicalType(f"list<{logical.value}>"), pa.list_(arrow)
    return logical, arrow
