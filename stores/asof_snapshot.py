"""Retrieval without entity rows: every (join keys, event time) of the views in a range of time is one."""

# ruff: noqa: S608 - SQL cannot take names as parameters; every name passes `quoted`.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from likewise.stores.asof_entities import EVENT_TIMESTAMP
from likewise.stores.asof_session import quoted
from likewise.stores.asof_source import Relation
from likewise.stores.asof_times import Unit, instant_sql
from likewise.stores.asof_view import ViewPlan


@dataclass(frozen=True, slots=True)
class EntitylessRange:
    """First and last event time that count, both included, zone-aware."""

    start: datetime
    end: datetime


def snapshot_sql(views: Sequence[ViewPlan], relations: Sequence[Relation], span: EntitylessRange) -> str:
    """Return SQL for the rows, each once, by event time and then keys; a view's rows lack the others' keys."""
    keys = list(dict.fromkeys(key.entity for view in views for key in view.keys))
    selects = [_select(view, relation, keys, span) for view, relation in zip(views, relations, strict=True)]
    order = ", ".join(quoted(name) for name in [EVENT_TIMESTAMP, *keys])
    return f"SELECT * FROM ({' UNION '.join(selects)}) ORDER BY {order}"


def _select(view: ViewPlan, relation: Relation, keys: Sequence[str], span: EntitylessRange) -> str:
    own = {key.entity: key.source for key in view.keys}
    columns = [f"{quoted(own[key]) if key in own else 'NULL'} AS {quoted(key)}" for key in keys]
    instant = instant_sql(relation.name, relation.types, view.event, Unit.MICROSECOND)
    start, end = Unit.MICROSECOND.instant(span.start), Unit.MICROSECOND.instant(span.end)
    selected = ", ".join([*columns, f"make_timestamptz({instant}) AS {quoted(EVENT_TIMESTAMP)}"])
    return f"SELECT {selected} FROM {relation.sql} WHERE {instant} BETWEEN {start} AND {end}"
