"""From matched row numbers to feature columns: in memory where the features fit, by joins that spill where not.

Both ways give the same rows, types and order; tests hold them to it. In memory, a source's feature columns are read
once and picked by position, which costs a third of what wide hash joins and the sort by entity row cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from likewise.stores.asof_codes import ABSENT, Integers
from likewise.stores.asof_held import HeldColumn, hold, needed_bytes, stored_row_bytes
from likewise.stores.asof_join import ViewJoin, build_frontier, build_match, combine_matches, gather_sql
from likewise.stores.asof_session import Session, quoted
from likewise.stores.asof_sorted import EntityChunk, SortedFacts, read_facts
from likewise.stores.errors import RowsLostError

# The part of DuckDB's memory limit that one chunk of entity rows may take while it is joined.
_CHUNK_SHARE = 0.25
_LEAST_CHUNK = 50_000
# Batches picked at a time: four take two thirds of the time of four single ones (1M rows, 30 columns, 2 cores).
_PICKED_BATCHES = 4
# The part of the memory limit that their texts may take, and the most: Arrow counts bytes of texts in 32 bits.
_PICKED_SHARE = 0.125
_PICKED_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Piece:
    """Feature columns of some consecutive entity rows."""

    rows: int
    columns: list[pa.Array]


class Finder(Protocol):
    """Finds each entity row's fact in one view."""

    def submit(self, chunk: EntityChunk) -> Future[Integers]:
        """Start to find each entity row's position in the source's files; ABSENT where there is none."""
        ...


class Gatherer(Protocol):
    """One of the two ways."""

    @property
    def schema(self) -> pa.Schema:
        """The feature columns."""
        ...

    def chunk(self, session: Session, count: int) -> Iterator[Piece]:
        """Yield the feature columns of the `count` entity rows that are matched, in their order, piece by piece."""
        ...


def choose_gatherer(session: Session, views: Sequence[ViewJoin], *, known_only: bool) -> Gatherer:
    """Return the way that suits the sources and the memory limit, with the sources read.

    Parameters
    ----------
    known_only
        Count created times: a fact exists from the later of its event and created time.
    """
    types = [_feature_types(session, view) for view in views]
    needed = [needed_bytes(view.relation, view.plan.features, kinds) for view, kinds in zip(views, types, strict=True)]
    schema = pa.schema([field for kinds in types for field in kinds])
    budget = session.settings.held_share * session.memory_bytes()
    if any(need is None for need in needed) or sum(need or 0 for need in needed) > budget:
        for view in views:
            build_frontier(session, view, known_only=known_only)
        return ByJoins(tuple(views), schema)
    with ThreadPoolExecutor(session.threads()) as pool:
        # While one view is sorted, the next is read.
        sorting = [_read(session, view, pool, known_only=known_only) for view in views]
        columns = [hold(view.relation, view.plan.features, kinds) for view, kinds in zip(views, types, strict=True)]
        facts = [None if work is None else work.result() for work in sorting]
    finders = [found or _joined(session, view, known_only=known_only) for view, found in zip(views, facts, strict=True)]
    text_bytes = min(_PICKED_BYTES, int(_PICKED_SHARE * session.memory_bytes()))
    return InMemory(tuple(finders), schema, tuple(columns), text_bytes)


def _read(
    session: Session, view: ViewJoin, pool: ThreadPoolExecutor, *, known_only: bool
) -> Future[SortedFacts | None] | None:
    return pool.submit(read_facts(session, view, known_only=known_only)) if view.plain_keys else None


def _joined(session: Session, view: ViewJoin, *, known_only: bool) -> JoinedFacts:
    build_frontier(session, view, known_only=known_only)
    return JoinedFacts(view)


def chunk_rows(session: Session, views: Sequence[ViewJoin]) -> int:
    """Return how many entity rows to join at a time, so that what they need fits beside the sources."""
    if session.settings.chunk_rows:
        return session.settings.chunk_rows
    keys, features = 64 + 48 * len(views), 16 * sum(len(view.plan.features) for view in views)
    wide = sum(stored_row_bytes(view.relation, view.plan.features) for view in views)
    room = max(_CHUNK_SHARE * session.memory_bytes(), _LEAST_CHUNK * (keys + features))
    # Sorted rows lie in memory twice.
    return max(1, int(room / (keys + max(features, 2 * wide))))


@dataclass(frozen=True, slots=True)
class InMemory:
    """Features held in memory, picked by position.

    Parameters
    ----------
    text_bytes
        How many bytes of texts are picked at a time.
    """

    finders: tuple[Finder, ...]
    schema: pa.Schema
    columns: tuple[tuple[HeldColumn, ...], ...]
    text_bytes: int

    def chunk(self, session: Session, count: int) -> Iterator[Piece]:
        """Yield the feature columns of a chunk."""
        size = session.settings.batch_rows
        with ThreadPoolExecutor(session.threads()) as pool:
            chunk = EntityChunk(session, count, pool)
            positions = [work.result() for work in [finder.submit(chunk) for finder in self.finders]]
            longest = sum(column.longest for columns in self.columns for column in columns)
            for start in range(0, count, size * _PICKED_BATCHES):
                for run in self._runs(positions, range(start, min(start + size * _PICKED_BATCHES, count)), longest):
                    picked = self._pick(pool, [found[run.start : run.stop] for found in positions])
                    for cut in range(0, len(run), size):
                        rows = min(size, len(run) - cut)
                        yield Piece(rows, [column.slice(cut, rows) for column in picked])

    def _runs(self, positions: Sequence[Integers], rows: range, longest: int) -> Iterator[range]:
        """Cut rows into runs whose texts are few enough bytes; `longest` of a row."""
        if (
            len(rows) == 1
            or len(rows) * longest <= self.text_bytes
            or self._measure(positions, rows) <= self.text_bytes
        ):
            yield rows
            return
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            yield from self._runs(positions, half, longest)

    def _measure(self, positions: Sequence[Integers], rows: range) -> int:
        indexes = [_index(found[rows.start : rows.stop]) for found in positions]
        pairs = zip(self.columns, indexes, strict=True)
        return sum(column.text_bytes(index) for columns, index in pairs for column in columns)

    def _pick(self, pool: ThreadPoolExecutor, positions: Sequence[Integers]) -> list[pa.Array]:
        indexes = [_index(found) for found in positions]
        work = [(column, index) for columns, index in zip(self.columns, indexes, strict=True) for column in columns]
        return list(pool.map(lambda pair: pair[0].pick(pair[1]), work))


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
        for view in self.views:
            build_match(session, view)
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


@dataclass(frozen=True, slots=True)
class JoinedFacts:
    """The facts of a view in DuckDB, matched there: whatever the join keys are."""

    view: ViewJoin

    def submit(self, chunk: EntityChunk) -> Future[Integers]:
        """Match the entity rows that are loaded; start to lay the positions out."""
        build_match(chunk.session, self.view)
        found = chunk.session.run(f'SELECT id, "row" FROM {self.view.match}').fetchnumpy()  # noqa: S608 - a name of ours
        ids, rows = (np.asarray(found[name], dtype=np.int64) for name in ("id", "row"))
        return chunk.pool.submit(self._positions, ids, rows, chunk.count)

    def _positions(self, ids: Integers, rows: Integers, count: int) -> Integers:
        positions = np.full(count, ABSENT, dtype=np.int64)
        positions[ids] = self.view.relation.positions(rows)
        matched = int(np.count_nonzero(positions != ABSENT))
        if matched != len(ids):
            raise RowsLostError(len(ids), matched)
        return positions


def _index(positions: Integers) -> pa.Array:
    return pa.array(positions, mask=positions == ABSENT)


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
