"""A feature service or a list of references, resolved against the Feast registry into a plan, once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from feast import FeatureStore, OnDemandFeatureView
from feast.errors import FeastObjectNotFoundException
from feast.feature_view import DUMMY_ENTITY_ID

from likewise.serving.errors import (
    CollidingNamesError,
    UnknownFeatureError,
    UnknownFeatureServiceError,
    UnservableViewError,
)
from likewise.serving.plan import ComputedView, FeaturePlan, Field, KeyBinding, Served, StoredView
from likewise.serving.resolved_plan import ResolvedPlan
from likewise.stores.definitions import logical_type


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One view of an answer, by the name references use, and the features wanted of it, in order."""

    name: str
    view: Any  # one of Feast's view classes; they share no typed base
    key_map: Mapping[str, str]
    features: tuple[str, ...]
    version: int


def resolve_service(store: FeatureStore, service: str, *, full_names: bool | None) -> ResolvedPlan:
    """Return the plan of a feature service.

    Parameters
    ----------
    store
        The Feast store; its registry cache is used as it is.
    service
        The name of the feature service.
    full_names
        Whether features are called `view__feature`; None: only when short names collide.

    Raises
    ------
    UnknownFeatureServiceError, UnservableViewError, CollidingNamesError
        With close names and what to do.
    """
    try:
        found = store.registry.get_feature_service(service, store.project, allow_cache=True)
    except FeastObjectNotFoundException:
        known = [known.name for known in store.registry.list_feature_services(store.project, allow_cache=True)]
        raise UnknownFeatureServiceError(service, known) from None
    wanted = [_wanted_projection(store, projection) for projection in found.feature_view_projections]
    return _Resolver(store).resolve(service, wanted, full_names=full_names)


def resolve_references(store: FeatureStore, references: Sequence[str], *, full_names: bool | None) -> ResolvedPlan:
    """Return the plan of a list of `view:feature` or `view@v2:feature` references, in their order."""
    order: dict[str, list[str]] = {}
    for reference in references:
        view, separator, feature = reference.rpartition(":")
        if not separator or not view or not feature:
            raise UnknownFeatureError(reference, _known_references(store))
        order.setdefault(view, []).append(feature)
    wanted = [_wanted_reference(store, view, features) for view, features in order.items()]
    resolved = _Resolver(store).resolve(None, wanted, full_names=full_names)
    return ResolvedPlan(_in_order_of(resolved.plan, references), resolved.on_demand)


def _in_order_of(plan: FeaturePlan, references: Sequence[str]) -> FeaturePlan:
    by_reference = {f"{item.view}:{item.field.name}": item for item in plan.served}
    served = tuple(by_reference[reference] for reference in dict.fromkeys(references))
    return replace(plan, served=served)


def _wanted_projection(store: FeatureStore, projection: Any) -> _Wanted:
    view = _find_view(store, projection.name, projection.version_tag)
    features = tuple(field.name for field in projection.features)
    version = _version(view, projection.version_tag)
    return _Wanted(projection.name_to_use(), view, projection.join_key_map or {}, features, version)


def _wanted_reference(store: FeatureStore, name: str, features: Iterable[str]) -> _Wanted:
    base, _, version = name.partition("@")
    number = int(version[1:]) if version[:1] == "v" and version[1:].isdigit() else None
    if version not in ("", "latest") and number is None:
        raise UnknownFeatureError(name, _known_references(store))
    view = _find_view(store, base, number)
    return _Wanted(name.removesuffix("@latest"), view, {}, tuple(dict.fromkeys(features)), _version(view, number))


def _version(view: Any, asked: int | None) -> int:
    return asked if asked is not None else getattr(view, "current_version_number", None) or 0


def _find_view(store: FeatureStore, name: str, version: int | None) -> Any:
    try:
        if version is not None:
            return store.registry.get_feature_view_by_version(name, store.project, version, allow_cache=True)
        return store.registry.get_any_feature_view(name, store.project, allow_cache=True)
    except FeastObjectNotFoundException:
        raise UnknownFeatureError(name, _known_references(store)) from None


def _known_references(store: FeatureStore) -> list[str]:
    views = store.registry.list_all_feature_views(store.project, allow_cache=True)
    return [f"{view.name}:{field.name}" for view in views for field in view.features]


class _Resolver:
    """Gathers stored views, on-demand views and their inputs while walking what is wanted."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._stored: dict[str, StoredView] = {}
        self._computed: dict[str, ComputedView] = {}
        self._on_demand: dict[str, OnDemandFeatureView] = {}
        self._keys: dict[str, Field] = {}
        self._request: dict[str, Field] = {}

    def resolve(self, service: str | None, wanted: Sequence[_Wanted], *, full_names: bool | None) -> ResolvedPlan:
        served: list[tuple[str, Field]] = []
        for item in wanted:
            _check_enabled(item)
            if isinstance(item.view, OnDemandFeatureView) and not item.view.write_to_online_store:
                fields = self._add_computed(item)
            else:
                fields = self._add_stored(item)
            served += [(item.name, field) for field in fields]
        plan = FeaturePlan(
            service=service,
            join_keys=tuple(self._keys.values()),
            request_fields=tuple(self._request.values()),
            stored=tuple(self._stored.values()),
            computed=tuple(self._computed.values()),
            served=_named(served, full_names=full_names),
        )
        return ResolvedPlan(plan, self._on_demand)

    def _add_stored(self, item: _Wanted) -> tuple[Field, ...]:
        """Record a view to read (more features of one that is read already are merged into it)."""
        fields = tuple(_field(item, name) for name in item.features)
        known = self._stored.get(item.name)
        merged = {field.name: field for field in (*(known.fields if known else ()), *fields)}
        keys = tuple(self._bind_key(item, column) for column in item.view.entity_columns)
        ttl = getattr(item.view, "ttl", None)
        self._stored[item.name] = StoredView(
            name=item.name,
            stored_name=self._stored_name(item),
            keys=keys or (KeyBinding(DUMMY_ENTITY_ID, DUMMY_ENTITY_ID),),
            fields=tuple(merged.values()),
            ttl=ttl if ttl is not None and ttl.total_seconds() > 0 else None,
            version=item.version,
            report_only=self._reports_only(item),
        )
        return fields

    def _bind_key(self, item: _Wanted, column: Any) -> KeyBinding:
        name = item.key_map.get(column.name, column.name)
        feast_type = column.dtype.to_value_type().name
        if column.name != DUMMY_ENTITY_ID:
            self._keys.setdefault(name, Field(name, logical_type(feast_type, item.name), feast_type))
        return KeyBinding(column.name, name)

    def _reports_only(self, item: _Wanted) -> bool:
        chosen = getattr(self._store.config.online_store, "ttl_report_only", False)
        return chosen if isinstance(chosen, bool) else item.view.name in chosen

    def _stored_name(self, item: _Wanted) -> str:
        """Return the view's name in the store's keys: its version is part of it where Feast keeps versions online."""
        if item.version and getattr(self._store.registry, "enable_online_versioning", False):
            return f"{item.view.name}_v{item.version}"
        return str(item.view.name)

    def _add_computed(self, item: _Wanted) -> tuple[Field, ...]:
        view = item.view
        if view.aggregations:
            raise UnservableViewError(item.name, "it aggregates at read time", "aggregate in a batch or stream view")
        inputs: list[str] = []
        for name, value_type in view.get_request_data_schema().items():
            self._request.setdefault(name, Field(name, logical_type(value_type.name, item.name), value_type.name))
            inputs.append(name)
        for projection in view.source_feature_view_projections.values():
            source = _wanted_projection(self._store, projection)
            if isinstance(source.view, OnDemandFeatureView) and not source.view.write_to_online_store:
                raise UnservableViewError(item.name, "it reads another on-demand view", "compute both in one view")
            inputs += [f"{source.name}__{field.name}" for field in self._add_stored(source)]
        fields = tuple(_declared(item.name, field) for field in view.features)
        self._computed[item.name] = ComputedView(item.name, fields, tuple(inputs))
        self._on_demand[item.name] = view
        return tuple(_field(item, name) for name in item.features)


def _check_enabled(item: _Wanted) -> None:
    if not getattr(item.view, "enabled", True):
        raise UnservableViewError(item.name, "it is disabled", "run `feast feature-views enable`")


def _field(item: _Wanted, feature: str) -> Field:
    for declared in (*item.view.features, *getattr(item.view, "schema", ())):
        if declared.name == feature:
            return _declared(item.name, declared)
    raise UnknownFeatureError(
        f"{item.name}:{feature}", [f"{item.name}:{declared.name}" for declared in item.view.features]
    )


def _declared(view: str, field: Any) -> Field:
    feast_type = field.dtype.to_value_type().name
    return Field(field.name, logical_type(feast_type, f"{view}:{field.name}"), feast_type)


def _named(served: Sequence[tuple[str, Field]], *, full_names: bool | None) -> tuple[Served, ...]:
    short = [field.name for _, field in served]
    colliding = sorted({name for name in short if short.count(name) > 1})
    if colliding and full_names is False:
        raise CollidingNamesError(colliding)
    full = bool(colliding) if full_names is None else full_names
    return tuple(Served(view, field, f"{view}__{field.name}" if full else field.name) for view, field in served)
