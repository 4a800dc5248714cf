"""From matched row numbers to feature columns: in memory where the features fit, by joins that spill where not.

Both ways give the same rows, types and order; tests hold them to it. In memory, a source's feature columns are read
once and picked by position, which costs a third of what wide hash joins and the sort by entity row cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.stores.asof_held import HeldColumn, hold, needed_bytes
from likewise.stores.asof_join import ViewJoin, combine_matches, gather_sql
from likewise.stores.asof_session import Session, quoted
from likewise.stores.errors import RowsLostError

_ABSENT = -1
# The part of DuckDB's memory limit that one chunk of entity rows may take while it is joined.
_CHUNK_SHARE = 0.25
_LEAST_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Feature columns of some consecutive entity rows."""

    rows: int
    columns: list[pa.Array]


class Gatherer(Protocol):
    """One of the two ways."""

    @property
    def schema(self) -> pa.Schema:
        """The feature columns."""
        ...

    def chunk(self, session: Session, count: int) -> Iterator[Piece]:
        """Yield the feature columns of the `count` entity rows that are matched, in their order, piece by piece."""
        ...


def choose_gatherer(session: Session, views: Sequence[ViewJoin]) -> Gatherer:
    """Return the way that suits the sources and the memory limit; it may read feature columns already."""
    types = [_feature_types(session, view) for view in views]
    needed = [needed_bytes(view.relation, view.plan.features, kinds) for view, kinds in zip(views, types, strict=True)]
    schema = pa.schema([field for kinds in types for field in kinds])
    budget = session.settings.held_share * session.memory_bytes()
    if any(need is None for need in needed) or sum(need or 0 for need in needed) > budget:
        return ByJoins(tuple(views), schema)
    columns = [hold(view.relation, view.plan.features, kinds) for view, kinds in zip(views, types, strict=True)]
    return InMemory(tuple(views), schema, tuple(columns))


def chunk_rows(session: Session, views: Sequence[ViewJoin]) -> int:
    """Return how many entity rows to join at a time, so that what they need fits beside the sources."""
    if session.settings.chunk_rows:
        return session.settings.chunk_rows
    features = sum(len(view.plan.features) for view in views)
    return max(_LEAST_CHUNK, int(_CHUNK_SHARE * session.memory_bytes() / (64 + 48 * len(views) + 16 * features)))


@dataclass(frozen=True, slots=True)
class InMemory:
    """Features held in memory, picked by position."""

    views: tuple[ViewJoin, ...]
    schema: pa.Schema
    columns: tuple[tuple[HeldColumn, ...], ...]

    def chunk(self, session: Session, count: int) -> Iterator[Piece]:
        """Yield the feature columns of a chunk."""
        positions = [_positions(session, view, count) for view in self.views]
        size = session.settings.batch_rows
        with ThreadPoolExecutor(session.threads()) as pool:
            for start in range(0, count, size):
                indexes = [_index(found[start : start + size]) for found in positions]
                work = [
                    (column, index) for columns, index in zip(self.columns, indexes, strict=True) for column in columns
                ]
                yield Piece(min(size, count - start), list(pool.map(lambda pair: pair[0].pick(pair[1]), work)))


@dataclass(frozen=True, slots=True)
class ByJoins:
    """Features joined by row number and sorted by entity row, in DuckDB, which spills."""

    views: tuple[ViewJoin, ...]
    schema: pa.Schema

    def chunk(self, session: Session, count: int) -> Iterator[Piece]:
        """Yield the feature columns of a chunk.

        Raises
        ------
        RowsLostError
            The join did not return every entity row once and in order.
        """
        combine_matches(session, self.views)
        position = 0
        for batch in session.run(gather_sql(self.views)).to_arrow_reader(session.settings.batch_rows):
            ids, rows = batch.column(0), batch.num_rows
            if rows and (ids[0].as_py() != position or ids[-1].as_py() != position + rows - 1):
                raise RowsLostError(position, ids[0].as_py())
            position += rows
            yield Piece(rows, list(batch.columns[1:]))
        if position != count:
            raise RowsLostError(count, position)


def _feature_types(session: Session, view: ViewJoin) -> pa.Schema:
    """Return the feature columns as DuckDB types them, so that both ways agree."""
    if not view.plan.features:
        return pa.schema([])
    names = ", ".join(f"{quoted(f.source)} AS {quoted(f.output)}" for f in view.plan.features)
    # Names are quoted; the relation is ours.
    return session.run(f"SELECT {names} FROM {view.relation.sql} LIMIT 0").to_arrow_table().schema  # noqa: S608


def _positions(session: Session, view: ViewJoin, count: int) -> npt.NDArray[np.int64]:
    """Return each entity row's position in the held columns; -1 where there is no match."""
    found = session.run(f'SELECT id, "row" FROM {view.match}').fetchnumpy()  # noqa: S608 - a name of ours
    positions = np.full(count, _ABSENT, dtype=np.int64)
    positions[found["id"]] = view.relation.positions(np.asarray(found["row"], dtype=np.int64))
    matched = int(np.count_nonzero(positions != _ABSENT))
    if matched != len(found["id"]):
        raise RowsLostError(len(found["id"]), matched)
    return positions


def _index(positions: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(positions, mask=positions == _ABSENT)


class Remainder:
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
