"""Rows of a source for materialization: the newest of each key, or all, as known at an instant."""

# ruff: noqa: S608 - SQL cannot take names as parameters; every name passes `quoted`, every text `literal`.
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from feast.infra.offline_stores.file_source import FileSource

from likewise.stores.asof_session import SessionSettings, open_session, quoted
from likewise.stores.asof_source import Relation, open_relation
from likewise.stores.asof_times import Unit, finest_unit, instant_sql


@dataclass(frozen=True, slots=True)
class PullQuery:
    """Rows of one source within an interval of event times.

    Parameters
    ----------
    start, end
        First and last event time, both included; None is open.
    known_at
        Rows created after this instant do not exist yet.
    latest
        Only the newest row of each key: by event time, then created time, then file order.
    """

    settings: SessionSettings
    source: FileSource
    keys: tuple[str, ...]
    features: tuple[str, ...]
    event: str
    created: str | None
    start: datetime | None
    end: datetime | None
    known_at: datetime
    latest: bool

    def batches(self) -> pa.RecordBatchReader:
        """Run and return key, feature, event and created columns."""
        stream = self._stream()
        schema = next(stream)
        return pa.RecordBatchReader.from_batches(schema, stream)

    def columns(self) -> list[str]:
        """Return the columns of the result; no features named means every column of the source."""
        times = [self.event, *([self.created] if self.created else [])]
        return list(dict.fromkeys([*self.keys, *self.features, *times]))

    def _stream(self) -> Iterator:  # type: ignore[type-arg]  # first the schema, then batches
        with open_session(self.settings) as connection:
            relation = open_relation(connection, self.source, self.columns(), self.settings.repository)
            result = connection.execute(self.sql(relation)).to_arrow_reader(self.settings.batch_rows)
            yield result.schema
            yield from result

    def sql(self, relation: Relation) -> str:
        """Return the query over a relation."""
        names = self.columns() if self.features else list(relation.types)
        selected = ", ".join(quoted(name) for name in names)
        source = f'(SELECT {selected}, {relation.row} AS "__row" FROM {relation.sql})'
        if not self.latest:
            return f"SELECT {selected} FROM {source} WHERE {self._condition(relation)}"
        # Narrow first: which rows, then their wide columns.
        newest = self._newest(relation)
        return f'SELECT {selected} FROM {source} WHERE "__row" IN ({newest})'

    def _newest(self, relation: Relation) -> str:
        order = [self._instant(relation, self.event)]
        if self.created:
            order.append(f"coalesce({self._instant(relation, self.created)}, {-(2**63)})")
        rank = f"({', '.join([*order, relation.row])})"
        group = f" GROUP BY {', '.join(quoted(key) for key in self.keys)}" if self.keys else ""
        having = "" if self.keys else " HAVING count(*) > 0"
        return (
            f"SELECT arg_max({relation.row}, {rank}) FROM {relation.sql} "
            f"WHERE {self._condition(relation)}{group}{having}"
        )

    def _condition(self, relation: Relation) -> str:
        event = self._instant(relation, self.event)
        unit = finest_unit(relation.types, self.event)
        parts = [f"{event} IS NOT NULL"]
        if self.start is not None:
            parts.append(f"{event} >= {unit.instant(self.start)}")
        if self.end is not None:
            parts.append(f"{event} <= {unit.instant(self.end)}")
        if self.created:
            known = finest_unit(relation.types, self.created).instant(self.known_at)
            parts.append(f"coalesce({self._instant(relation, self.created)} <= {known}, true)")
        return " AND ".join(parts)

    def _instant(self, relation: Relation, column: str) -> str:
        unit: Unit = finest_unit(relation.types, column)
        return instant_sql(relation.name, relation.types, column, unit)
