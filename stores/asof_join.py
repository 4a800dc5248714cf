"""The point-in-time join as SQL: match on narrow columns, then gather the wide ones by row number.

Three relations of integers carry the join of one view:

- *facts*: a source's join keys, event time, created time and row number;
- *frontier*: the facts that can still be the answer at some instant, each with the instant from which it is;
- *match*: entity row number and source row number.

A fact is the answer from its availability (its event time, or the later of event and created time when created
times count) until a fact that ranks higher becomes available. Facts rank by event time, then created time, then
row number. A fact that becomes available no sooner than one that ranks higher is never the answer; without those,
availability rises with rank in each key, so DuckDB's ASOF JOIN on availability alone finds the best-ranked fact.
Equal event times fall out of the same rule: of each tie only the best-ranked fact is left.
"""

# ruff: noqa: S608 - SQL cannot take names as parameters; every name passes `quoted`, every text `literal`.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from likewise.stores.asof_session import Session, quoted
from likewise.stores.asof_source import Relation
from likewise.stores.asof_times import EARLIEST, Unit, between_sql, finest_unit, instant_sql
from likewise.stores.asof_view import ViewPlan

# Ranks below every created time: a row without one loses against a row that has one.
_NEVER = -(2**63) + 1


@dataclass(frozen=True, slots=True)
class ViewJoin:
    """One view within one retrieval.

    Parameters
    ----------
    number
        Position of the view, from 0; names its tables.
    relation
        Its source.
    unit
        Unit of its instants.
    time_sql
        SQL of the entity table's instant in that unit.
    key_sql
        For each join key: SQL of the entity table's value, comparable with the source's.
    span
        First and last instant of the entity rows; None where there are none.
    plain_keys
        Join keys are integers or texts on both sides, so that they may be matched outside SQL.
    """

    number: int
    plan: ViewPlan
    relation: Relation
    unit: Unit
    time_sql: str
    key_sql: tuple[str, ...]
    span: tuple[datetime, datetime] | None
    plain_keys: bool = False

    @property
    def key_names(self) -> tuple[str, ...]:
        """Return the names of the facts' key columns."""
        return tuple(f"k{i}" for i in range(len(self.plan.keys)))

    @property
    def frontier(self) -> str:
        """Return the name of the view's frontier table."""
        return f"frontier_{self.number}"

    @property
    def match(self) -> str:
        """Return the name of the view's match table."""
        return f"match_{self.number}"


def unit_of_view(plan: ViewPlan, relation: Relation, entities: Unit) -> Unit:
    """Return the finest unit among the entity rows' and the source's times."""
    columns = [plan.event, *([plan.created] if plan.created else [])]
    units = [entities, *(finest_unit(relation.types, column) for column in columns)]
    return max(units, key=lambda unit: unit.value)


def build_frontier(session: Session, view: ViewJoin, *, known_only: bool) -> None:
    """Fill the frontier table of a view, which serves every chunk of entity rows.

    Parameters
    ----------
    known_only
        Count created times: a fact exists from the later of its event and created time.
    """
    facts = f"facts_{view.number}"
    session.run(f"CREATE TEMP TABLE {facts} AS {facts_sql(view, known_only=known_only)}")
    keys = view.key_names
    by_created = known_only and view.plan.created is not None
    if by_created or _has_ties(session, facts, keys):
        session.run(f"CREATE TEMP TABLE {view.frontier} AS {frontier_sql(facts, keys)}")
        session.run(f"DROP TABLE {facts}")
    else:
        session.run(f"ALTER TABLE {facts} RENAME TO {view.frontier}")


def build_match(session: Session, view: ViewJoin) -> None:
    """Fill the match table of a view for the entity rows that are loaded."""
    session.run(f"CREATE OR REPLACE TEMP TABLE {view.match} AS {match_sql(view, view.frontier)}")


def facts_sql(view: ViewJoin, *, known_only: bool) -> str:
    """Return SQL for (k0.., event, created, available, row) of a source."""
    plan, relation = view.plan, view.relation
    event = instant_sql(relation.name, relation.types, plan.event, view.unit)
    created = f"{_NEVER}::BIGINT"
    available = "event"
    # A missing key is no key: it matches nothing.
    condition = " AND ".join(["event IS NOT NULL", *(f"{key} IS NOT NULL" for key in view.key_names)])
    if plan.created:
        created = f"coalesce({instant_sql(relation.name, relation.types, plan.created, view.unit)}, {created})"
        if known_only:
            available = "greatest(event, created)"
            condition += f" AND created <> {_NEVER}"
    keys = [f"{quoted(key.source)} AS k{i}" for i, key in enumerate(plan.keys)]
    inner = ", ".join([*keys, f"{event} AS event", f"{created} AS created", f'{relation.row} AS "row"'])
    rows = f"SELECT {inner} FROM {relation.sql}{_within_reach(view)}"
    return f"SELECT *, {available} AS available FROM ({rows}) WHERE {condition}"


def _within_reach(view: ViewJoin) -> str:
    """Return a WHERE that lets DuckDB skip row groups which no entity row can match."""
    if view.span is None:
        return ""
    first, last = view.span
    since = first - view.plan.ttl if view.plan.ttl and first - EARLIEST > view.plan.ttl else None
    condition = between_sql(view.relation.types, view.plan.event, since, last)
    return f" WHERE {condition}" if condition else ""


def _has_ties(session: Session, facts: str, keys: Sequence[str]) -> bool:
    grouped = ", ".join([*keys, "event"])
    found = session.run(f"SELECT 1 FROM {facts} GROUP BY {grouped} HAVING count(*) > 1 LIMIT 1").fetchone()
    return found is not None


def frontier_sql(facts: str, keys: Sequence[str]) -> str:
    """Return SQL for the facts that are the answer at some instant."""
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    window = (
        f'({partition}ORDER BY event DESC, created DESC, "row" DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)'
    )
    better = f"SELECT *, min(available) OVER {window} AS superseded FROM {facts}"
    return f"SELECT * EXCLUDE (superseded) FROM ({better}) WHERE superseded IS NULL OR available < superseded"


def match_sql(view: ViewJoin, frontier: str) -> str:
    """Return SQL for (id, row) of the entity rows that have an answer within the TTL."""
    equal = [f"{key} = f.k{i}" for i, key in enumerate(view.key_sql)]
    conditions = " AND ".join([*equal, f"{view.time_sql} >= f.available"])
    # Feast's boundary: a value is good up to and including its event time plus the TTL.
    fresh = f" WHERE f.event >= {_earliest_sql(view, view.unit.span(view.plan.ttl))}" if view.plan.ttl else ""
    return f'SELECT e.id, f."row" FROM entity e ASOF JOIN {frontier} f ON {conditions}{fresh}'


def _earliest_sql(view: ViewJoin, ttl: int) -> str:
    # Without `greatest`, an instant at the lower end of 64 bits would leave them.
    return f"greatest({view.time_sql}, {_NEVER + ttl}) - {ttl}"


def combine_matches(session: Session, views: Sequence[ViewJoin]) -> None:
    """Make the table `matched`: each entity row's id, and its row number in each source (row_0, row_1 ...)."""
    rows = [f'm{view.number}."row" AS row_{view.number}' for view in views]
    joins = [f"LEFT JOIN {view.match} m{view.number} ON e.id = m{view.number}.id" for view in views]
    combined = f"SELECT {', '.join(['e.id', *rows])} FROM entity e {' '.join(joins)}"
    session.run(f"CREATE OR REPLACE TEMP TABLE matched AS {combined}")


def gather_sql(views: Sequence[ViewJoin]) -> str:
    """Return SQL for every entity row in its order: its id, then the features of all views."""
    selected, joins = ["m.id"], []
    for view in views:
        source = f"s{view.number}"
        columns = [f"{quoted(f.source)} AS c{i}" for i, f in enumerate(view.plan.features)]
        inner = ", ".join([f'{view.relation.row} AS "row"', *columns])
        joins.append(
            f'LEFT JOIN (SELECT {inner} FROM {view.relation.sql}) {source} ON m.row_{view.number} = {source}."row"'
        )
        selected += [f"{source}.c{i} AS {quoted(f.output)}" for i, f in enumerate(view.plan.features)]
    return f"SELECT {', '.join(selected)} FROM matched m {' '.join(joins)} ORDER BY m.id"
