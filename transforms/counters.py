"""A tally of what met a policy: missing, unseen and out-of-range values, by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

Event: TypeAlias = Literal["missing", "unseen", "out_of_range"]
EVENTS: tuple[Event, ...] = ("missing", "unseen", "out_of_range")


class Counters:
    """Counts per (column, event), added up over any number of applies.

    Not locked: give each thread its own and add them up with `merge`.

    Examples
    --------
    >>> counters = Counters()
    >>> counters.add("carrier", "unseen", 2)
    >>> counters["carrier", "unseen"], counters["carrier", "missing"], counters.rows
    (2, 0, 0)
    """

    __slots__ = ("_counts", "rows")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Event], int] = {}
        self.rows = 0

    def add(self, column: str, event: Event, count: int) -> None:
        """Add `count` values of `column` that met `event`."""
        key = (column, event)
        self._counts[key] = self._counts.get(key, 0) + count

    def merge(self, other: Counters) -> None:
        """Add another tally to this one."""
        self.rows += other.rows
        for (column, event), count in other:
            self.add(column, event, count)

    def __getitem__(self, key: tuple[str, Event]) -> int:
        return self._counts.get(key, 0)

    def __iter__(self) -> Iterator[tuple[tuple[str, Event], int]]:
        """Iterate over ((column, event), count), in order of column and event."""
        return iter(sorted(self._counts.items()))

    def __repr__(self) -> str:
        return f"Counters(rows={self.rows}, {dict(self)})"
