"""From matched row numbers to feature columns: in memory where the features fit, by joins that spill where not.

Both ways give the same rows, types and order; tests hold them to it. In memory, a source's feature columns are read
once and picked by position, which costs a third of what wide hash joins and the sort by entity row cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.stores.asof_entities import EntityRows
from likewise.stores.asof_held import HeldColumn, hold, needed_bytes
from likewise.stores.asof_join import ViewJoin, combine_matches, gather_sql
from likewise.stores.asof_session import Session, quoted
from likewise.stores.errors import RowsLostError

_ABSENT = -1


@dataclass(frozen=True, slots=True)
class Gathered:
    """The result's schema and its batches, entity columns first."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class _HeldView:
    """A view's columns and, for each entity row, the position in them; -1 where there is none."""

    columns: tuple[HeldColumn, ...]
    positions: npt.NDArray[np.int64]


def gather(session: Session, rows: EntityRows, views: Sequence[ViewJoin]) -> Gathered:
    """Return entity columns and features, from the match tables of all views."""
    types = [_feature_types(session, view) for view in views]
    needed = [needed_bytes(view.relation, view.plan.features, kinds) for view, kinds in zip(views, types, strict=True)]
    budget = session.settings.held_share * session.memory_bytes() - rows.count * 8 * len(views)
    if any(need is None for need in needed) or sum(need or 0 for need in needed) > budget:
        return _by_joins(session, rows, views)
    schema = pa.schema([*rows.schema, *(field for kinds in types for field in kinds)])
    held = [
        _HeldView(hold(view.relation, view.plan.features, kinds), _positions(session, rows, view))
        for view, kinds in zip(views, types, strict=True)
    ]
    return Gathered(schema, _picked(session, rows, held, schema))


def _feature_types(session: Session, view: ViewJoin) -> pa.Schema:
    """Return the feature columns as DuckDB types them, so that both ways agree."""
    if not view.plan.features:
        return pa.schema([])
    names = ", ".join(f"{quoted(f.source)} AS {quoted(f.output)}" for f in view.plan.features)
    # Names are quoted; the relation is ours.
    return session.run(f"SELECT {names} FROM {view.relation.sql} LIMIT 0").to_arrow_table().schema  # noqa: S608


def _positions(session: Session, rows: EntityRows, view: ViewJoin) -> npt.NDArray[np.int64]:
    found = session.run(f'SELECT id, "row" FROM {view.match}').fetchnumpy()  # noqa: S608 - a name of ours
    positions = np.full(rows.count, _ABSENT, dtype=np.int64)
    positions[found["id"]] = view.relation.positions(np.asarray(found["row"], dtype=np.int64))
    matched = int(np.count_nonzero(positions != _ABSENT))
    if matched != len(found["id"]):
        raise RowsLostError(len(found["id"]), matched)
    session.run(f"DROP TABLE {view.match}")
    return positions


def _picked(
    session: Session, rows: EntityRows, held: Sequence[_HeldView], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    position = 0
    with ThreadPoolExecutor(session.threads()) as pool:
        for batch in rows.batches():
            chosen = slice(position, position + batch.num_rows)
            position += batch.num_rows
            work = [(column, index) for view in held for index in [_index(view, chosen)] for column in view.columns]
            features = pool.map(lambda pair: pair[0].pick(pair[1]), work)
            yield pa.RecordBatch.from_arrays([*batch.columns, *features], schema=schema)


def _index(view: _HeldView, chosen: slice) -> pa.Array:
    positions = view.positions[chosen]
    return pa.array(positions, mask=positions == _ABSENT)


def _by_joins(session: Session, rows: EntityRows, views: Sequence[ViewJoin]) -> Gathered:
    combine_matches(session, views)
    result = session.run(gather_sql(views)).to_arrow_reader(session.settings.batch_rows)
    schema = pa.schema([*rows.schema, *list(result.schema)[1:]])
    return Gathered(schema, _beside(rows, result, schema))


def _beside(rows: EntityRows, result: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the entity columns with the features beside them.

    Raises
    ------
    RowsLostError
        The join did not return every entity row once and in order.
    """
    position, left = 0, _Remainder(rows.batches())
    for batch in result:
        ids, count = batch.column(0), batch.num_rows
        if count and (ids[0].as_py() != position or ids[-1].as_py() != position + count - 1):
            raise RowsLostError(position, ids[0].as_py())
        position += count
        yield pa.RecordBatch.from_arrays([*left.take(count), *batch.columns[1:]], schema=schema)
    if position != rows.count:
        raise RowsLostError(rows.count, position)


class _Remainder:
    """A stream of batches from which any number of rows can be taken."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest: pa.RecordBatch | None = None

    def take(self, count: int) -> list[pa.Array]:
        """Return the columns of the next `count` rows."""
        parts = []
        while count:
            batch = self._rest if self._rest is not None else next(self._batches)
            parts.append(batch.slice(0, count))
            count -= parts[-1].num_rows
            self._rest = batch.slice(parts[-1].num_rows) if parts[-1].num_rows < batch.num_rows else None
        if len(parts) == 1:
            return list(parts[0].columns)
        return [pa.concat_arrays([part.column(i) for part in parts]) for i in range(parts[0].num_columns)]
