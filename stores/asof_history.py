"""Point-in-time features for entity rows: sets the join up, runs it and streams the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.types as pat

from likewise.stores.asof_entities import EntityInput, EntityRows, look_through, read_entities, rows_of_query
from likewise.stores.asof_gather import Remainder, choose_gatherer, chunk_rows
from likewise.stores.asof_join import ViewJoin, unit_of_view
from likewise.stores.asof_progress import bars
from likewise.stores.asof_session import Session, SessionSettings, open_session
from likewise.stores.asof_snapshot import EntitylessRange, snapshot_sql
from likewise.stores.asof_source import Relation, open_relation
from likewise.stores.asof_times import rescaled_sql
from likewise.stores.asof_view import JoinKey, ViewPlan
from likewise.stores.errors import ColumnCollisionError, EntityFrameError

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Entity rows and the views to join to them.

    Parameters
    ----------
    entities
        The rows, or a range of time in which every (keys, event time) of the views is a row.
    known_only
        Features exist only from their created time on.
    """

    settings: SessionSettings
    views: tuple[ViewPlan, ...]
    entities: EntityInput | EntitylessRange
    known_only: bool = False

    def batches(self) -> pa.RecordBatchReader:
        """Run the join; return entity columns and features, one row per entity row, in their order."""
        stream = self._stream()
        schema = next(stream)
        return pa.RecordBatchReader.from_batches(schema, stream)

    def outline(self) -> Outline:
        """Return what Feast's metadata says of the entity rows."""
        if isinstance(self.entities, EntitylessRange):
            keys = [key.entity for view in self.views for key in view.keys]
            return Outline(tuple(dict.fromkeys(keys)), self.entities.start, self.entities.end)
        with open_session(self.settings) as session:
            rows = read_entities(self.entities, session)
            names = tuple(name for name in rows.schema.names if name != rows.event)
            return Outline(names, *(rows.bounds or (None, None)))

    def _stream(self) -> Iterator:  # type: ignore[type-arg]  # first the schema, then batches
        with open_session(self.settings) as session, bars(wanted=self.settings.progress) as shown:
            relations = [open_relation(session, plan.source, plan.columns()) for plan in self.views]
            rows = self._entity_rows(session, relations)
            check_names(rows, self.views)
            keys = list(dict.fromkeys(key.entity for plan in self.views for key in plan.keys))
            views = join_views(rows, keys, self.views, relations)
            with shown.waiting("reading " + ", ".join(view.plan.name for view in views)):
                gatherer = choose_gatherer(session, views, known_only=self.known_only)
            schema = pa.schema([*rows.schema, *gatherer.schema])
            yield schema
            advance, left = shown.add("history", rows.count), Remainder(rows.batches())
            for count in rows.load_chunks(session, keys, chunk_rows(session, views)):
                for piece in gatherer.chunk(session, count):
                    columns = [*left.take(piece.rows), *piece.columns]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)
                    advance(piece.rows)

    def _entity_rows(self, session: Session, relations: Sequence[Relation]) -> EntityRows:
        if isinstance(self.entities, EntitylessRange):
            return look_through(rows_of_query(snapshot_sql(self.views, relations, self.entities), session))
        return read_entities(self.entities, session)


@dataclass(frozen=True, slots=True)
class Outline:
    """Columns of the entity rows but the event time, and the range of the event times."""

    keys: tuple[str, ...]
    first: datetime | None
    last: datetime | None


def check_names(rows: EntityRows, views: Sequence[ViewPlan]) -> None:
    """Check that the entity rows have every join key and that no feature repeats a column of theirs.

    Raises
    ------
    EntityFrameError
        A join key is missing.
    ColumnCollisionError
        A feature has the name of an entity column.
    """
    rows.require([key.entity for view in views for key in view.keys])
    columns = set(rows.schema.names)
    twice = [feature.output for view in views for feature in view.features if feature.output in columns]
    if twice:
        raise ColumnCollisionError(twice)


def join_views(
    rows: EntityRows, keys: Sequence[str], plans: Sequence[ViewPlan], relations: Sequence[Relation]
) -> list[ViewJoin]:
    """Say how each view joins to the table `entity`, in which key columns go by number."""
    views = []
    for number, (plan, relation) in enumerate(zip(plans, relations, strict=True)):
        key_sql = tuple(
            comparable(key, f"e.k{keys.index(key.entity)}", rows.schema.field(key.entity).type, relation)
            for key in plan.keys
        )
        unit = unit_of_view(plan, relation, rows.unit)
        time_sql = rescaled_sql("e.t", rows.unit, unit)
        plain = all(is_plain(rows.schema.field(key.entity).type, relation.types[key.source]) for key in plan.keys)
        views.append(ViewJoin(number, plan, relation, unit, time_sql, key_sql, rows.bounds, plain))
    return views


def is_plain(entity: pa.DataType, source: str) -> bool:
    """Say whether an entity key and a source's column compare as 64-bit integers or as texts."""
    entity = entity.value_type if pat.is_dictionary(entity) else entity
    if source == "VARCHAR":
        return not pat.is_null(entity)
    # Floats become integers of the source's type, see `comparable`.
    numeric = (pat.is_integer(entity) and not pat.is_uint64(entity)) or pat.is_floating(entity)
    return numeric and source in _INTEGERS


def comparable(key: JoinKey, sql: str, entity: pa.DataType, relation: Relation) -> str:
    """Return SQL of an entity key that compares exactly with the source's column.

    Raises
    ------
    EntityFrameError
        One side is a text and the other is not: such keys never mean the same.
    """
    kind = relation.types[key.source]
    entity = entity.value_type if pat.is_dictionary(entity) else entity
    textual = pat.is_string(entity) or pat.is_large_string(entity) or pat.is_string_view(entity)
    if textual != (kind == "VARCHAR") and not pat.is_null(entity):
        raise EntityFrameError(
            f"join key {key.entity!r} is {entity}, in source {relation.name!r} it is {kind}",
            "Cast one of them.",
        )
    if pat.is_floating(entity) and kind not in ("FLOAT", "DOUBLE"):
        # Integers that passed through pandas with a null among them; a fraction equals no integer.
        return f"CASE WHEN {sql} = floor({sql}) THEN try_cast({sql} AS {kind}) END"
    return sql
