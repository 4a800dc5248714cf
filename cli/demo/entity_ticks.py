"""Which entities a view of statistics has, what is known of them, and when a row of each is due."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.flights import UNKNOWN_PLANE
from likewise.cli.demo.local_time import DAY, Minutes
from likewise.cli.demo.rolling import SPAN, Integers, Knowledge


@dataclass(frozen=True, slots=True)
class TickView:
    """A view whose rows are due at ticks.

    Attributes
    ----------
    prefix
        Of its features' names.
    keys
        Columns of the flights that make the entity.
    windows
        Ending of a feature's name -> minutes that its window reaches back from the event time.
    tick, offset
        A row is due every `tick` minutes, `offset` minutes after midnight UTC.
    lag
        Minutes from a row's event time until it has been computed: its created time.
    only_changes
        Leave out a row when nothing entered or left a window since the tick before.
    """

    name: str
    prefix: str
    keys: tuple[str, ...]
    windows: Mapping[str, int]
    tick: int
    lag: int
    offset: int = 0
    only_changes: bool = False


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities that flights have under some key columns.

    Attributes
    ----------
    names
        Key column -> (m,) names of the entities, ascending.
    codes
        (n,) the entity of each flight; -1 where the plane is not known.
    """

    names: Mapping[str, npt.NDArray[np.object_]]
    codes: Integers


@dataclass(frozen=True, slots=True)
class EntityTicks:
    """n rows: which entity, at which instant (minutes since 1970 UTC)."""

    entity: Integers
    instant: Minutes


def find_entities(flights: pd.DataFrame, keys: tuple[str, ...]) -> Entities:
    """Return the entities of flights; one whose plane is not known belongs to none."""
    names = flights[list(keys)]
    if "tailnum" in keys:
        names = names.where(flights["tailnum"] != UNKNOWN_PLANE)
    grouped = names.groupby(list(keys), sort=True)
    found = grouped.size().reset_index()
    codes: Integers = np.asarray(grouped.ngroup().fillna(-1), np.int64)
    return Entities({key: found[key].to_numpy(object) for key in keys}, codes)


def due_rows(view: TickView, known: Mapping[str, Knowledge], entities: int, first: int, last: int) -> EntityTicks:
    """Return the rows of a view from `first` to `last` (minutes since 1970 UTC), by instant, then entity.

    An entity has no row before something was known of it.
    """
    start = first + (view.offset - first) % view.tick
    instants = np.arange(start, last + 1, view.tick, dtype=np.int64)
    rows = EntityTicks(
        np.tile(np.arange(entities, dtype=np.int64), len(instants)),
        np.repeat(instants, entities),
    )
    keep = np.zeros(len(rows.entity), bool)
    for knowledge in known.values():
        # Half the room of an entity back, nothing can be known of it yet.
        keep |= _place(knowledge, rows) > _place(knowledge, rows, SPAN // 2)
    if view.only_changes:
        keep &= _changed(view, known, rows)
    return EntityTicks(rows.entity[keep], rows.instant[keep])


def _changed(view: TickView, known: Mapping[str, Knowledge], rows: EntityTicks) -> npt.NDArray[np.bool_]:
    """Tell whether a fact entered a window or left one since the tick before."""
    changed = np.zeros(len(rows.entity), bool)
    for knowledge in known.values():
        for shift in (0, *view.windows.values()):
            changed |= _place(knowledge, rows, shift) != _place(knowledge, rows, shift + view.tick)
    return changed


def _place(knowledge: Knowledge, rows: EntityTicks, shift: int = 0) -> Integers:
    return knowledge.place(rows.entity, rows.instant - shift)


def day_windows(*days: int) -> dict[str, int]:
    """Return windows of whole days, such as `7d`."""
    return {f"{count}d": count * DAY for count in days}


def hour_windows(*hours: int) -> dict[str, int]:
    """Return windows of whole hours, such as `3h`."""
    return {f"{count}h": count * 60 for count in hours}
