"""Hypothesis strategies for Feast protos of every value type."""

from collections.abc import Callable
from typing import Any

from feast.protos.feast.types.Value_pb2 import MapKey, RepeatedValue, ScalarMapEntry, Value, ZonedTimestamp
from hypothesis import strategies as st

from likewise.stores.packed_protos import attribute
from likewise.stores.packed_schema import FieldType

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
SECONDS = st.integers(-(2**42), 2**42)
DOUBLE = st.floats(allow_nan=False)
FLOAT = st.floats(width=32, allow_nan=False)
TEXT = st.text(max_size=12)
BYTES = st.binary(max_size=12)

_SCALARS: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.BYTES: BYTES,
    FieldType.STRING: TEXT,
    FieldType.INT32: INT32,
    FieldType.INT64: INT64,
    FieldType.DOUBLE: DOUBLE,
    FieldType.FLOAT: FLOAT,
    FieldType.BOOL: st.booleans(),
    FieldType.UNIX_TIMESTAMP: SECONDS,
    FieldType.PDF_BYTES: BYTES,
    FieldType.IMAGE_BYTES: BYTES,
    FieldType.JSON: TEXT,
    FieldType.UUID: st.uuids().map(str),
    FieldType.TIME_UUID: st.uuids().map(str),
    FieldType.DECIMAL: st.decimals(allow_nan=False, allow_infinity=False).map(str),
}
_LISTS = {FieldType[f"{kind.name}_{suffix}"]: items for kind, items in _SCALARS.items() for suffix in ("LIST", "SET")
          if f"{kind.name}_{suffix}" in FieldType.__members__}  # fmt: skip


def _filled(name: str, fill: Callable[[Any, Any], None]) -> Callable[[Any], Value]:
    def build(content: Any) -> Value:
        value = Value()
        inner = getattr(value, name)
        inner.SetInParent()
        fill(inner, content)
        return value

    return build


def _map(inner: Any, content: dict[str, float]) -> None:
    for key, number in content.items():
        inner.val[key].double_val = number


def _map_list(inner: Any, content: list[dict[str, float]]) -> None:
    for one in content:
        _map(inner.val.add(), one)


def _nested(inner: Any, content: list[list[float]]) -> None:
    for one in content:
        item = Value()
        item.double_list_val.SetInParent()
        item.double_list_val.val.extend(one)
        inner.MergeFrom(RepeatedValue(val=[item]))


def _scalar_map(inner: Any, content: dict[int, str]) -> None:
    for key, text in content.items():
        inner.val.append(ScalarMapEntry(key=MapKey(int64_key=key), value=Value(string_val=text)))


def _zoned(inner: Any, content: tuple[int, str]) -> None:
    inner.MergeFrom(ZonedTimestamp(unix_timestamp=content[0], zone=content[1]))


_MAP = st.dictionaries(TEXT, DOUBLE, max_size=3)
_MESSAGES: dict[FieldType, tuple[st.SearchStrategy[Any], Callable[[Any, Any], None]]] = {
    FieldType.MAP: (_MAP, _map),
    FieldType.STRUCT: (_MAP, _map),
    FieldType.MAP_LIST: (st.lists(_MAP, max_size=3), _map_list),
    FieldType.STRUCT_LIST: (st.lists(_MAP, max_size=3), _map_list),
    FieldType.VALUE_LIST: (st.lists(st.lists(DOUBLE, max_size=3), max_size=3), _nested),
    FieldType.VALUE_SET: (st.lists(st.lists(DOUBLE, max_size=3), max_size=3), _nested),
    FieldType.SCALAR_MAP: (st.dictionaries(INT64, TEXT, max_size=3), _scalar_map),
    FieldType.ZONED_TIMESTAMP: (st.tuples(SECONDS, st.sampled_from(["", "UTC", "Asia/Tokyo", "-07:00"])), _zoned),
}


def value_types() -> list[FieldType]:
    """Return every type that a feature may be declared with."""
    return [kind for kind in FieldType if kind not in (FieldType.UNKNOWN, FieldType.NULL)]


def values_of(kind: FieldType) -> st.SearchStrategy[Value]:
    """Return protos of a type, some of them empty."""
    name = attribute(kind)
    if kind in _MESSAGES:
        content, fill = _MESSAGES[kind]
        present = content.map(_filled(name, fill))
    elif kind in _LISTS:
        present = st.lists(_LISTS[kind], max_size=5).map(_filled(name, lambda inner, items: inner.val.extend(items)))
    else:
        present = _SCALARS[kind].map(lambda content: Value(**{name: content}))
    return st.one_of(present, st.just(Value()))
