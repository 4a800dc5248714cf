"""The point-in-time match in memory: facts sorted once by keys and instant, entity rows found in them by bisection.

It answers what the SQL of `asof_join` answers, on facts that the same SQL reads; tests hold both to one oracle. One
sort of one integer a fact shows ties on the way and costs a third of an ASOF JOIN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from likewise.stores.asof_codes import ABSENT, Codes, Integers, make_codes
from likewise.stores.asof_join import ViewJoin, facts_sql
from likewise.stores.asof_session import Session

# Measured, with the copies that are freed again.
_BYTES_PER_FACT = 96
# No two instants of 64 bits lie further apart; in nanoseconds a TTL of 600 years would.
_OLDEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class SortedFacts:
    """The facts of a view that are the answer at some instant, in order of keys and availability.

    Parameters
    ----------
    sorted_codes
        (n,) rising: keys and instant of availability.
    events
        (n,) event time, in the view's unit; None where no TTL asks for it.
    positions
        (n,) place of the fact's row in the source's files, one after the other.
    """

    view: ViewJoin
    codes: Codes
    sorted_codes: Integers
    events: Integers | None
    positions: Integers

    def submit(self, chunk: EntityChunk) -> Future[Integers]:
        """Start to find the position of each entity row's fact by the row's id; ABSENT where there is none."""
        keys = [f"{sql} AS {name}" for name, sql in zip(self.view.key_names, self.view.key_sql, strict=True)]
        # Key and time expressions are ours, of quoted names.
        sql = f"SELECT {', '.join(['e.id', f'{self.view.time_sql} AS t', *keys])} FROM entity e"  # noqa: S608
        rows = chunk.rows(sql)
        return chunk.pool.submit(self._find, rows, chunk.order(sql, lambda: self._order(rows)))

    def _order(self, rows: pa.Table) -> Integers:
        return np.argsort(self.codes.floor(rows) + self.codes.scale.encode(rows["t"].to_numpy()))

    def _find(self, rows: pa.Table, order: Future[Integers]) -> Integers:
        by = order.result()
        # A fact below the first code of a row's keys has other keys; unknown keys lie below all facts.
        floor, instants = self.codes.floor(rows)[by], rows["t"].to_numpy()[by]
        found = np.searchsorted(self.sorted_codes, floor + self.codes.scale.encode(instants), "right") - 1
        hit = (found >= 0) & (self.sorted_codes[found] >= floor)
        if self.events is not None and self.view.plan.ttl:
            # Unsigned, so that ages of centuries in nanoseconds do not turn negative.
            age = (instants - self.events[found]).view(np.uint64)
            hit &= age <= np.uint64(min(self.view.unit.span(self.view.plan.ttl), _OLDEST))
        positions = np.empty(len(by), dtype=np.int64)
        positions[rows["id"].to_numpy()[by]] = np.where(hit, self.positions[found], ABSENT)
        return positions


class EntityChunk:
    """The entity rows that are loaded, read once for all views that join by the same columns.

    Parameters
    ----------
    pool
        Takes up work in the order in which it is given.
    """

    def __init__(self, session: Session, count: int, pool: ThreadPoolExecutor) -> None:
        self.session, self.count, self.pool = session, count, pool
        self._rows: dict[str, pa.Table] = {}
        self._orders: dict[str, Future[Integers]] = {}

    def rows(self, sql: str) -> pa.Table:
        """Return what a query gives."""
        if sql not in self._rows:
            self._rows[sql] = self.session.run(sql).to_arrow_table()
        return self._rows[sql]

    def order(self, sql: str, work: Callable[[], Integers]) -> Future[Integers]:
        """Start to order a query's rows, unless that was started before.

        Any order is right; one by keys and instant is fast, as bisecting neighbours stays in the cache.
        """
        if sql not in self._orders:
            self._orders[sql] = self.pool.submit(work)
        return self._orders[sql]


def facts_bytes(rows: int) -> int:
    """Return about how many bytes reading and sorting so many facts takes."""
    return rows * _BYTES_PER_FACT


def read_facts(session: Session, view: ViewJoin, *, known_only: bool) -> Callable[[], SortedFacts | None]:
    """Read a view's facts; return the work that sorts them, on any thread.

    Its result is None when there are none, or when keys and instants do not fit one integer.
    """
    names = [*view.key_names, "event", '"row"']
    if view.plan.created:
        names += ["created", "available"] if known_only else ["created"]
    # Names of ours.
    sql = f"SELECT {', '.join(names)} FROM ({facts_sql(view, known_only=known_only)})"  # noqa: S608
    facts = session.run(sql).to_arrow_table()
    return lambda: _sort(view, facts) if facts.num_rows else None


def _sort(view: ViewJoin, facts: pa.Table) -> SortedFacts | None:
    columns = {name: facts[name].to_numpy() for name in facts.column_names if name not in view.key_names}
    events, rows, ties = columns["event"], columns["row"], [columns[n] for n in ("row", "created") if n in columns]
    available = columns.get("available", events)
    codes = make_codes({name: facts[name] for name in view.key_names}, [events, available], view.unit)
    if codes is None:
        return None
    floor = codes.floor(facts)
    order = _ranked(floor + codes.scale.encode(events), ties)
    by_rank = (floor + codes.scale.encode(available))[order]
    # Keys rise, so the least code of all that follow is the least of the same keys where there are any.
    least_after = np.minimum.accumulate(by_rank[:0:-1])[::-1]
    leads = np.append(by_rank[:-1] < least_after, True)
    order = order[leads]
    kept_events = events[order] if view.plan.ttl else None
    return SortedFacts(view, codes, by_rank[leads], kept_events, view.relation.positions(rows[order]))


def _ranked(codes: Integers, ties: Sequence[Integers]) -> Integers:
    """Return the order of facts by code; of equal ones by what ranks them, the last column first."""
    order = np.argsort(codes)
    ranked = codes[order]
    if (ranked[1:] == ranked[:-1]).any():
        return np.lexsort((*ties, codes))
    return order
