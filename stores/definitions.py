"""What a feature service means, as one fingerprint: training records it, serving compares it at load.

Covered are names, types, TTLs, sources, join keys, field mappings and the source text of on-demand views: whatever
can change a value. Descriptions, tags, owners, timestamps and materialization intervals are not.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from feast import FeatureStore, OnDemandFeatureView
from feast.data_source import DataSource
from feast.errors import FeastObjectNotFoundException
from feast.feature_service import FeatureService
from feast.feature_view import DUMMY_ENTITY_ID
from feast.feature_view_projection import FeatureViewProjection
from google.protobuf.json_format import MessageToDict

from likewise.stores.definition_parts import DefinitionParts
from likewise.stores.errors import FeatureServiceUnknownError, FeatureTypeError
from likewise.transforms.logical_types import LogicalType

_UNTOLD = frozenset({"description", "tags", "owner", "meta", "org"})
_TEXTS = ("STRING", "UUID", "TIME_UUID", "JSON", "DECIMAL")
_LOGICAL: Mapping[str, LogicalType] = MappingProxyType(
    {
        **dict.fromkeys(("INT32", "INT64", "FLOAT", "DOUBLE"), LogicalType.NUMBER),
        **dict.fromkeys(_TEXTS, LogicalType.TEXT),
        **dict.fromkeys(("BYTES", "IMAGE_BYTES", "PDF_BYTES"), LogicalType.BYTES),
        "BOOL": LogicalType.BOOLEAN,
        "UNIX_TIMESTAMP": LogicalType.TIME,
    }
)

Description = dict[str, Any]
View = Any  # one of Feast's view classes; they share no typed base


@dataclass(frozen=True, slots=True)
class Definitions(DefinitionParts):
    """A feature service with everything it rests on.

    Attributes
    ----------
    feature_refs
        `view:feature` in declared order.
    join_keys
        Columns that entity rows must have, in the order in which the views need them.
    request_fields
        Logical type by name of what a request must bring.
    features
        Logical type by name, in served order; full names when short ones collide.
    """

    feature_refs: tuple[str, ...]
    join_keys: tuple[str, ...]
    request_fields: Mapping[str, LogicalType]
    features: Mapping[str, LogicalType]


def describe_definitions(store: FeatureStore, feature_service: str) -> Definitions:
    """Return the definitions of a feature service, from the store's registry (its cache included).

    Raises
    ------
    FeatureServiceUnknownError
        The registry has no such service.
    FeatureTypeError
        A feature is of a type that no transform takes (a map, a struct, a set).
    """
    projections = _find_service(store, feature_service).feature_view_projections
    used = list(_used_views(store, projections))
    described: dict[str, object] = {f"service:{feature_service}": _describe_service(projections)}
    for projection, view in used:
        described[_part_name(projection, view)] = _describe_view(view)
    parts = {name: _digest(described[name]) for name in sorted(described)}
    return Definitions(
        feature_refs=tuple(f"{_name(p)}:{field.name}" for p in projections for field in p.features),
        fingerprint=_digest(parts),
        parts=MappingProxyType(parts),
        join_keys=tuple(dict.fromkeys(key for projection, view in used for key in _join_keys(projection, view))),
        request_fields=MappingProxyType(dict(_request_fields(view for _, view in used))),
        features=MappingProxyType(_served(projections)),
    )


def logical_type(feast_type: str, where: str) -> LogicalType:
    """Return the logical type of a Feast value type by its name.

    Raises
    ------
    FeatureTypeError
        It has none.
    """
    scalar = _LOGICAL.get(feast_type.removesuffix("_LIST"))
    if scalar is None:
        raise FeatureTypeError(where, feast_type)
    return LogicalType(f"list<{scalar.value}>") if feast_type.endswith("_LIST") else scalar


def _find_service(store: FeatureStore, name: str) -> FeatureService:
    try:
        return store.registry.get_feature_service(name, store.project, allow_cache=True)
    except FeastObjectNotFoundException:
        known = [service.name for service in store.registry.list_feature_services(store.project, allow_cache=True)]
        raise FeatureServiceUnknownError(name, known) from None


def _used_views(
    store: FeatureStore, projections: Sequence[FeatureViewProjection]
) -> Iterator[tuple[FeatureViewProjection, View]]:
    """Yield every view of the service and those its on-demand views read, each with the projection in use."""
    for projection in projections:
        view = _find_view(store, projection)
        if isinstance(view, OnDemandFeatureView):
            yield from _used_views(store, list(view.source_feature_view_projections.values()))
        yield projection, view


def _find_view(store: FeatureStore, projection: FeatureViewProjection) -> View:
    registry, version = store.registry, projection.version_tag
    if version is not None:
        return registry.get_feature_view_by_version(projection.name, store.project, version, allow_cache=True)
    return registry.get_any_feature_view(projection.name, store.project, allow_cache=True)


def _part_name(projection: FeatureViewProjection, view: View) -> str:
    kind = "on_demand" if isinstance(view, OnDemandFeatureView) else "view"
    version = "" if projection.version_tag is None else f"@v{projection.version_tag}"
    return f"{kind}:{projection.name}{version}"


def _describe_service(projections: Sequence[FeatureViewProjection]) -> list[Description]:
    return [_describe_projection(projection) for projection in projections]


def _describe_projection(projection: FeatureViewProjection) -> Description:
    return {
        "view": projection.name,
        "served_as": _name(projection),
        "features": [field.name for field in projection.features],
        "join_keys": dict(projection.join_key_map or {}),
    }


def _describe_view(view: View) -> Description:
    if isinstance(view, OnDemandFeatureView):
        return _describe_on_demand(view)
    ttl = view.ttl.total_seconds() if view.ttl else 0.0
    return {
        "join_keys": _fields(view.entity_columns),
        "features": _fields(view.features),
        "ttl_seconds": ttl,
        "batch_source": _describe_source(view.batch_source),
        "stream_source": _describe_source(view.stream_source),
        "transformation": _source_text(view),
        "aggregations": [str(aggregation) for aggregation in getattr(view, "aggregations", None) or []],
    }


def _describe_on_demand(view: OnDemandFeatureView) -> Description:
    sources = [_describe_projection(p) for p in view.source_feature_view_projections.values()]
    return {
        "features": _fields(view.features),
        "mode": view.mode,
        "singleton": view.singleton,
        "sources": sorted(sources, key=lambda source: str(source["view"])),
        "request": {name: value_type.name for name, value_type in view.get_request_data_schema().items()},
        "transformation": _source_text(view),
        "aggregations": [str(aggregation) for aggregation in view.aggregations],
        "stored": bool(view.write_to_online_store),
    }


def _source_text(view: View) -> str | None:
    transformation = getattr(view, "feature_transformation", None)
    text = getattr(transformation, "udf_string", None) or getattr(transformation, "substrait_plan", None)
    return text.hex() if isinstance(text, bytes) else text


def _fields(fields: Sequence[Any]) -> Description:
    """Return type by name: the order in which a view lists its fields changes no value."""
    return {field.name: str(field.dtype) for field in fields}


def _describe_source(source: DataSource | None) -> Description | None:
    if source is None:
        return None
    described: Description = _told(MessageToDict(source.to_proto()))
    return described


def _told(value: Any) -> Any:
    """Return a value without the fields that say nothing of the data, at any depth."""
    if isinstance(value, dict):
        return {name: _told(inner) for name, inner in value.items() if name not in _UNTOLD}
    return [_told(inner) for inner in value] if isinstance(value, list) else value


def _join_keys(projection: FeatureViewProjection, view: View) -> list[str]:
    if isinstance(view, OnDemandFeatureView):
        return []
    renamed = projection.join_key_map or {}
    names = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return [renamed.get(name, name) for name in names]


def _request_fields(views: Iterator[View]) -> Iterator[tuple[str, LogicalType]]:
    for view in views:
        if isinstance(view, OnDemandFeatureView):
            for name, value_type in view.get_request_data_schema().items():
                yield name, logical_type(value_type.name, f"{view.name}:{name}")


def _served(projections: Sequence[FeatureViewProjection]) -> dict[str, LogicalType]:
    counts = Counter(field.name for projection in projections for field in projection.features)
    full = any(count > 1 for count in counts.values())
    return {
        f"{_name(projection)}__{field.name}" if full else field.name: logical_type(
            field.dtype.to_value_type().name, f"{projection.name}:{field.name}"
        )
        for projection in projections
        for field in projection.features
    }


def _name(projection: FeatureViewProjection) -> str:
    return str(projection.name_to_use())  # type: ignore[no-untyped-call]


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
