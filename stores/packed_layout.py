"""The packed layout as a whole: every row of some views, single rows, and writing, as `FeastLayout` has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from feast import FeatureView, Field, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import String
from feast.value_type import ValueType

from likewise.stores.packed_errors import UnsupportedTypeError
from likewise.stores.packed_feast_layout import BATCH, StoredRow
from likewise.stores.packed_keys import JOIN, project_prefix
from likewise.stores.packed_links import Link
from likewise.stores.packed_redis import PackedRedisOnlineStore
from likewise.stores.packed_request import OnlineRequest, ViewRead, prefixed_keys
from likewise.stores.packed_rows import WriteRow, packed_rows
from likewise.stores.packed_views import entity_values, join_keys_of, stored_view

_FIELDS: Final = {
    ValueType.INT32: "int32_val",
    ValueType.INT64: "int64_val",
    ValueType.UNIX_TIMESTAMP: "unix_timestamp_val",
    ValueType.STRING: "string_val",
    ValueType.BYTES: "bytes_val",
}
_NO_ENTITY: Final = Field(name=DUMMY_ENTITY_ID, dtype=String)


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """Rows of one project as our store keeps them."""

    store: PackedRedisOnlineStore
    config: RepoConfig

    @property
    def link(self) -> Link:
        """Return the store's connections."""
        return self.store.link(self.config)

    def batches(self, views: Sequence[FeatureView]) -> Iterator[tuple[FeatureView, list[WriteRow]]]:
        """Yield every row of some views in one scan, up to `BATCH` at a time, whatever its age."""
        by_prefix = {stored_view(self.config, view).prefix: view for view in views}
        waiting: dict[bytes, list[EntityKey]] = {prefix: [] for prefix in by_prefix}
        for key in self.link.client.scan_iter(match=project_prefix(self.config.project) + b"*", count=BATCH):
            # Names in keys are escaped: the third colon ends the view.
            prefix = b":".join(key.split(b":", 3)[:3]) + b":"
            entity = entity_of(by_prefix[prefix], key[len(prefix) :]) if prefix in waiting else None
            if entity is None:
                continue
            waiting[prefix].append(entity)
            if len(waiting[prefix]) == BATCH:
                yield by_prefix[prefix], self._rows(by_prefix[prefix], waiting[prefix])
                waiting[prefix] = []
        for prefix, entities in waiting.items():
            if entities:
                yield by_prefix[prefix], self._rows(by_prefix[prefix], entities)

    def found(self, view: FeatureView, entities: Sequence[EntityKey]) -> list[StoredRow]:
        """Return (event time, values) of each entity, whatever its age; (None, None) where there is no row."""
        stored = replace(stored_view(self.config, view), max_age=None)
        names = tuple(field.name for field in view.features)
        read = ViewRead(stored, names, names, prefixed_keys(stored, entity_values(entities)))
        return OnlineRequest(self.config.project, (read,), 0).read(self.link)[0].rows()

    def write(self, view: FeatureView, rows: Sequence[WriteRow]) -> int:
        """Write rows; return how many landed (the rest met newer ones, or others of the same times).

        Feast's own store skips corrections: of two rows of one event time, the one that is packed is the later.
        """
        stored = stored_view(self.config, view)
        packed = packed_rows(stored, rows)
        destination = replace(self.store.destination(self.config, stored), keeps_equal=True)
        return self.link.writer.write(destination, packed.keys, packed.rows)

    def _rows(self, view: FeatureView, entities: list[EntityKey]) -> list[WriteRow]:
        found = zip(entities, self.found(view, entities), strict=True)
        return [
            (entity, values, event, None)
            for entity, (event, values) in found
            if event is not None and values is not None
        ]


def entity_of(view: FeatureView, text: bytes) -> EntityKey | None:
    """Return the entity that the last part of a packed key stands for; None when it is of other join keys.

    Raises
    ------
    UnsupportedTypeError
        A join key is of a type that Feast's layout has no form for.
    """
    columns = {column.name: column for column in view.entity_columns}
    # A view without entities, stripped of Feast's own: its key is an empty text.
    keyed = [columns.get(name, _NO_ENTITY) for name in join_keys_of(view)]
    parts = text.split(JOIN.encode())
    if len(parts) != len(keyed):
        return None
    try:
        values = [_join_key_value(view.name, column, part) for column, part in zip(keyed, parts, strict=True)]
    except ValueError:
        return None
    return EntityKey(join_keys=[column.name for column in keyed], entity_values=values)


def _join_key_value(view: str, column: Any, text: bytes) -> Value:
    kind = column.dtype.to_value_type()
    if kind not in _FIELDS:
        raise UnsupportedTypeError(f"{view}:{column.name}", kind.name, ", ".join(known.name for known in _FIELDS))
    if kind is ValueType.STRING:
        return Value(string_val=unquote_to_bytes(text).decode())
    if kind is ValueType.BYTES:
        return Value(bytes_val=unquote_to_bytes(text).decode().encode("latin-1"))
    value = Value()
    setattr(value, _FIELDS[kind], int(text))
    return value
