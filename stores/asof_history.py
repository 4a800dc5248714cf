"""Point-in-time features for entity rows: sets the join up, runs it and streams the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.types as pat

from likewise.stores.asof_entities import EntityInput, EntityRows, read_entities
from likewise.stores.asof_join import ViewJoin, build_match, gather_sql, unit_of_view
from likewise.stores.asof_session import SessionSettings, open_session
from likewise.stores.asof_source import Relation, open_relation
from likewise.stores.asof_times import Unit
from likewise.stores.asof_view import JoinKey, ViewPlan
from likewise.stores.errors import ColumnCollisionError, EntityFrameError

_NANOSECOND_RANGE_US = 9_223_372_036_854_775


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Entity rows and the views to join to them.

    Parameters
    ----------
    known_only
        Features exist only from their created time on.
    """

    settings: SessionSettings
    views: tuple[ViewPlan, ...]
    entities: EntityInput
    known_only: bool = False

    def batches(self) -> pa.RecordBatchReader:
        """Run the join; return entity columns and features, one row per entity row, in their order."""
        stream = self._stream()
        schema = next(stream)
        return pa.RecordBatchReader.from_batches(schema, stream)

    def _stream(self) -> Iterator:  # type: ignore[type-arg]  # first the schema, then batches
        with open_session(self.settings) as connection:
            rows = read_entities(self.entities, self.settings.repository, connection)
            check_names(rows, self.views)
            views = join_views(connection, rows, self.views, self.settings)
            for view in views:
                build_match(connection, view, known_only=self.known_only)
            result = connection.execute(gather_sql(views)).to_arrow_reader(self.settings.batch_rows)
            yield pa.schema([*rows.table.schema.remove_metadata(), *list(result.schema)[1:]])
            yield from beside_entities(rows.table, result)


def check_names(rows: EntityRows, views: Sequence[ViewPlan]) -> None:
    """Check that the entity rows have every join key and that no feature repeats a column of theirs.

    Raises
    ------
    EntityFrameError
        A join key is missing.
    ColumnCollisionError
        A feature has the name of an entity column.
    """
    rows.require(key.entity for view in views for key in view.keys)
    columns = set(rows.table.column_names)
    twice = [feature.output for view in views for feature in view.features if feature.output in columns]
    if twice:
        raise ColumnCollisionError(twice)


def join_views(
    connection: duckdb.DuckDBPyConnection, rows: EntityRows, plans: Sequence[ViewPlan], settings: SessionSettings
) -> list[ViewJoin]:
    """Make the entity table and open every source."""
    keys = list(dict.fromkeys(key.entity for plan in plans for key in plan.keys))
    rows.register(connection, keys)
    views = []
    for number, plan in enumerate(plans):
        relation = open_relation(connection, plan.source, plan.columns(), settings.repository)
        unit = unit_of_view(plan, relation, rows.unit)
        key_sql = tuple(
            comparable(key, f"e.k{keys.index(key.entity)}", rows.table.schema.field(key.entity).type, relation)
            for key in plan.keys
        )
        views.append(ViewJoin(number, plan, relation, unit, _time_sql(rows.unit, unit), key_sql))
    return views


def _time_sql(have: Unit, want: Unit) -> str:
    if have is want:
        return "e.t"
    return f"(greatest(least(e.t, {_NANOSECOND_RANGE_US}), -{_NANOSECOND_RANGE_US}) * 1000)"


def comparable(key: JoinKey, sql: str, entity: pa.DataType, relation: Relation) -> str:
    """Return SQL of an entity key that compares exactly with the source's column.

    Raises
    ------
    EntityFrameError
        One side is a text and the other is not: such keys never mean the same.
    """
    kind = relation.types[key.source]
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


def beside_entities(entities: pa.Table, result: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the entity columns with the features beside them."""
    schema = pa.schema([*entities.schema.remove_metadata(), *list(result.schema)[1:]])
    position = 0
    for batch in result:
        rows = entities.slice(position, batch.num_rows)
        position += batch.num_rows
        columns = [_one_chunk(column) for column in rows.columns]
        yield pa.RecordBatch.from_arrays([*columns, *batch.columns[1:]], schema=schema)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
