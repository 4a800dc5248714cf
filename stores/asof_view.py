"""What one feature view contributes to a join: its source columns, join keys, features, TTL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.offline_stores.file_source import FileSource
from feast.on_demand_feature_view import OnDemandFeatureView

from likewise.stores.asof_source import SourceColumns, file_source
from likewise.stores.errors import ColumnCollisionError, FeatureReferenceError, SourceError


@dataclass(frozen=True, slots=True)
class JoinKey:
    """A join key: its column in the entity rows and in the source."""

    entity: str
    source: str


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A feature: its column in the source and in the result."""

    source: str
    output: str


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """One view of a retrieval, with the source's own column names (field mapping undone).

    Parameters
    ----------
    ttl
        The age up to which a value counts; None: any age.
    """

    name: str
    source: FileSource
    keys: tuple[JoinKey, ...]
    features: tuple[FeatureColumn, ...]
    event: str
    created: str | None
    ttl: timedelta | None

    def columns(self) -> SourceColumns:
        """Return the source columns that are read, each once."""
        names = [key.source for key in self.keys] + [feature.source for feature in self.features]
        times = (self.event, self.created) if self.created else (self.event,)
        return SourceColumns(tuple(dict.fromkeys([*names, *times])), times)


def plan_views(views: Sequence[FeatureView], refs: Sequence[str], *, full_names: bool) -> tuple[ViewPlan, ...]:
    """Return the plan of each view of a retrieval.

    Raises
    ------
    FeatureReferenceError
        A reference names a feature that its view lacks.
    ColumnCollisionError
        Two features would have one name in the result.
    """
    plans = tuple(_plan(view, refs, full_names=full_names) for view in views)
    counts = Counter(feature.output for plan in plans for feature in plan.features)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ColumnCollisionError(twice)
    return plans


def _plan(view: FeatureView, refs: Sequence[str], *, full_names: bool) -> ViewPlan:
    source = file_source(batch_source(view), view.name)
    raw = unmapped(source)
    reference = str(view.projection.name_to_use())  # type: ignore[no-untyped-call]
    wanted = [ref.split(":", 1)[1] for ref in refs if ref.startswith(f"{reference}:")]
    declared = [feature.name for feature in view.projection.features]
    for feature in wanted:
        # References may also name plain columns of the view's schema that are no projected features.
        if feature not in declared and feature not in {field.name for field in view.schema}:
            raise FeatureReferenceError(view.name, feature, declared)
    prefix = f"{view.projection.name_alias or view.name}__" if full_names else ""
    return ViewPlan(
        name=reference,
        source=source,
        keys=join_keys(view),
        features=tuple(FeatureColumn(raw(name), prefix + name) for name in dict.fromkeys(wanted)),
        event=raw(source.timestamp_field),
        created=raw(source.created_timestamp_column) if source.created_timestamp_column else None,
        ttl=view.ttl or None,
    )


def join_keys(view: FeatureView) -> tuple[JoinKey, ...]:
    """Return a view's join keys; none for a view without entities."""
    raw = unmapped(view.batch_source)
    renamed = view.projection.join_key_map
    names = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return tuple(JoinKey(renamed.get(name, name), raw(name)) for name in names)


def batch_source(view: FeatureView) -> DataSource:
    """Return where a view's history is.

    Raises
    ------
    SourceError
        It has none.
    """
    if view.batch_source is None:
        raise SourceError(view.name, "the view has no batch source", "Declare one, or leave the view out.")
    return view.batch_source


class unmapped:  # noqa: N801 - used as a function
    """Names of a source's columns before its field mapping."""

    def __init__(self, source: DataSource | None) -> None:
        mapping = source.field_mapping if source is not None else {}
        self._raw = {new: old for old, new in (mapping or {}).items()}

    def __call__(self, name: str) -> str:
        """Return the source's own name of a mapped column."""
        return str(self._raw.get(name, name))


def steady_order(refs: Sequence[str], on_demand: Iterable[OnDemandFeatureView]) -> list[str]:
    """Return feature references with those that only on-demand views need in one order.

    Feast appends such references in the order of a set, which differs from process to process.
    """
    needed = [
        f"{projection.name}:{feature.name}"
        for view in sorted(on_demand, key=lambda view: view.name)
        for projection in sorted(view.source_feature_view_projections.values(), key=lambda p: p.name)
        for feature in projection.features
    ]
    split = len(refs)
    while split and refs[split - 1] in needed:
        split -= 1
    return [*refs[:split], *dict.fromkeys(ref for ref in needed if ref in set(refs[split:]))]
