"""Feast's feature views as the packed store sees them: name in keys, join keys, declared types, time to live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from likewise.stores.packed_features import Wanted
from likewise.stores.packed_fetch import Owner
from likewise.stores.packed_keys import view_prefix
from likewise.stores.packed_schema import FieldType, RowSchema, row_schema


@dataclass(frozen=True, slots=True)
class StoredView:
    """One feature view of one project.

    Parameters
    ----------
    prefix
        What its rows' keys begin with.
    schema
        The schema that its rows are written with today.
    max_age
        Its TTL in microseconds; None when it has none.
    """

    prefix: bytes
    schema: RowSchema
    types: Mapping[str, FieldType]
    max_age: int | None

    @property
    def owner(self) -> Owner:
        """Return what rows must say of themselves to count as this view's."""
        return Owner(self.schema.view, self.schema.join_keys)

    def wanted(self, features: Sequence[str]) -> list[Wanted]:
        """Return features with their declared types; an undeclared one reads as null."""
        return [Wanted(name, self.types.get(name, FieldType.UNKNOWN)) for name in features]


def stored_view(config: RepoConfig, table: Any) -> StoredView:
    """Return how a Feast view (feature, stream, batch or on-demand view) is stored."""
    name = compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)
    types = {field.name: FieldType(field.dtype.to_value_type().value) for field in table.features}
    schema = row_schema(name, join_keys_of(table), types.items())
    return StoredView(view_prefix(config.project, name), schema, types, micros_of(getattr(table, "ttl", None)))


def join_keys_of(table: Any) -> tuple[str, ...]:
    """Return a view's join keys, sorted; for a view without entities Feast's own, of which it may be stripped."""
    return tuple(sorted(getattr(table, "join_keys", ()))) or (DUMMY_ENTITY_ID,)


def micros_of(ttl: timedelta | None) -> int | None:
    """Return a TTL in microseconds; Feast's zero means none."""
    return ttl // timedelta(microseconds=1) if ttl else None


def entity_values(entity_keys: Sequence[EntityKey]) -> list[list[object]]:
    """Return the Python values of n entity keys, one list for each join key, sorted by name."""
    if not entity_keys:
        return []
    names = list(entity_keys[0].join_keys)
    columns: dict[str, list[object]] = {name: [] for name in sorted(names)}
    for key in entity_keys:
        for name, value in zip(key.join_keys, key.entity_values, strict=True):
            columns[name].append(plain(value))
    return list(columns.values())


def plain(value: Value) -> object:
    """Return the bare value of a proto (times: whole seconds); None when it is empty."""
    name = value.WhichOneof("val")
    return None if name in (None, "null_val") else getattr(value, name)
