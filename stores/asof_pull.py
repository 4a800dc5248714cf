"""Rows of a source for materialization: the newest of each key, or all, as known at an instant."""

# ruff: noqa: S608 - SQL cannot take names as parameters; every name passes `quoted`, every text `literal`.
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file_source import FileSource

from likewise.stores.asof_session import SessionSettings, literal, open_session, quoted
from likewise.stores.asof_source import Relation, SourceColumns, open_relation
from likewise.stores.asof_times import Unit, finest_unit, instant_sql

# Ranks below every created time: a row without one loses against a row that has one.
_NEVER = -(2**63) + 1


@dataclass(frozen=True, slots=True)
class PullColumns:
    """Columns of a source, under its own names.

    Parameters
    ----------
    features
        None at all means every column of the source.
    """

    keys: tuple[str, ...]
    features: tuple[str, ...]
    event: str
    created: str | None

    def read(self) -> SourceColumns:
        """Return them all, each once: keys, features, event time, created time."""
        times = (self.event, self.created) if self.created else (self.event,)
        names = dict.fromkeys([*self.keys, *self.features, *times]) if self.features else ()
        return SourceColumns(tuple(names), times)


@dataclass(frozen=True, slots=True)
class Interval:
    """Which rows are meant.

    Parameters
    ----------
    start, end
        First and last event time, both included; None is open.
    known_at
        Rows created after this instant do not exist yet.
    with_late
        Rows of before `start` that were created since count too: an earlier run could not see them.
    """

    start: datetime | None
    end: datetime | None
    known_at: datetime
    with_late: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """A stream of rows of which the number is known beforehand."""

    rows: int
    batches: pa.RecordBatchReader


@dataclass(frozen=True, slots=True)
class PullQuery:
    """Rows of one source.

    Parameters
    ----------
    latest
        Only the newest row of each key: by event time, then created time, then file order. Else every row, in
        order of event and created time.
    """

    settings: SessionSettings
    source: FileSource
    columns: PullColumns
    interval: Interval
    latest: bool

    def batches(self) -> pa.RecordBatchReader:
        """Run and return key, feature, event and created columns."""
        return self.counted().batches

    def counted(self) -> Counted:
        """Run and return the rows with their number."""
        stream = self._stream()
        rows, schema = next(stream)
        return Counted(rows, pa.RecordBatchReader.from_batches(schema, stream))

    def _stream(self) -> Iterator:  # type: ignore[type-arg]  # first (rows, schema), then batches
        with open_session(self.settings) as session:
            relation = open_relation(session, self.source, self.columns.read())
            session.run(f"CREATE TEMP TABLE chosen AS {self.chosen_sql(relation)}")
            found = session.run("SELECT count(*) FROM chosen").fetchone()
            result = session.run(self.gather_sql(relation)).to_arrow_reader(self.settings.batch_rows)
            yield (found[0] if found else 0), result.schema
            yield from result

    def chosen_sql(self, relation: Relation) -> str:
        """Return SQL for the row numbers, in a column `row`, with what orders them."""
        event, created = self._instant(relation, self.columns.event), str(_NEVER)
        if self.columns.created:
            created = f"coalesce({self._instant(relation, self.columns.created)}, {_NEVER})"
        where = f"FROM {relation.sql} WHERE {self._condition(relation)}"
        if not self.latest:
            return f'SELECT {relation.row} AS "row", {event} AS event, {created}::BIGINT AS created {where}'
        group = f" GROUP BY {', '.join(quoted(key) for key in self.columns.keys)}" if self.columns.keys else ""
        rank = f"({event}, {created}::BIGINT, {relation.row})"
        return f'SELECT arg_max({relation.row}, {rank}) AS "row" {where}{group} HAVING count(*) > 0'

    def gather_sql(self, relation: Relation) -> str:
        """Return SQL for the columns of the chosen rows."""
        names = self.columns.read().names or list(relation.types)
        selected = [f"s.{quoted(name)}" for name in names]
        if not self.columns.keys:
            # Feast keys the rows of a view without entities by this constant.
            selected.append(f"{literal(DUMMY_ENTITY_VAL)} AS {quoted(DUMMY_ENTITY_ID)}")
        source = f'(SELECT *, {relation.row} AS "__row" FROM {relation.sql})'
        order = "" if self.latest else ' ORDER BY c.event, c.created, c."row"'
        return f'SELECT {", ".join(selected)} FROM chosen c JOIN {source} s ON c."row" = s."__row"{order}'

    def _condition(self, relation: Relation) -> str:
        event = self._instant(relation, self.columns.event)
        unit = finest_unit(relation.types, self.columns.event)
        parts = [f"{event} IS NOT NULL"]
        if self.interval.start is not None:
            since = f"{event} >= {unit.instant(self.interval.start)}"
            parts.append(f"({since}{self._late(relation)})")
        if self.interval.end is not None:
            parts.append(f"{event} <= {unit.instant(self.interval.end)}")
        if self.columns.created:
            known = finest_unit(relation.types, self.columns.created).instant(self.interval.known_at)
            parts.append(f"coalesce({self._instant(relation, self.columns.created)} <= {known}, true)")
        return " AND ".join(parts)

    def _late(self, relation: Relation) -> str:
        if not (self.interval.with_late and self.columns.created and self.interval.start):
            return ""
        start = finest_unit(relation.types, self.columns.created).instant(self.interval.start)
        return f" OR {self._instant(relation, self.columns.created)} >= {start}"

    def _instant(self, relation: Relation, column: str) -> str:
        unit: Unit = finest_unit(relation.types, column)
        return instant_sql(relation.name, relation.types, column, unit)
