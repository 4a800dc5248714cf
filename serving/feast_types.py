"""Feast's value types, by name: the Arrow type that on-demand code gets, and which are whole numbers."""

from collections.abc import Mapping

import pyarrow as pa

_SCALARS: Mapping[str, pa.DataType] = {
    "INT32": pa.int32(),
    "INT64": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOL": pa.bool_(),
    **dict.fromkeys(("STRING", "UUID", "TIME_UUID", "JSON", "DECIMAL"), pa.string()),
    **dict.fromkeys(("BYTES", "IMAGE_BYTES", "PDF_BYTES"), pa.binary()),
    "UNIX_TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
_LIST = "_LIST"


def arrow_type(feast_type: str) -> pa.DataType:
    """Return the Arrow type of a Feast value type that has a logical type."""
    scalar = _SCALARS[feast_type.removesuffix(_LIST)]
    return pa.list_(scalar) if feast_type.endswith(_LIST) else scalar


def is_integer(feast_type: str) -> bool:
    """Return whether values of a Feast value type (or its elements) are whole numbers."""
    return feast_type.removesuffix(_LIST) in ("INT32", "INT64")
