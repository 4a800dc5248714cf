"""Rolling statistics of flights for one kind of entity, a row an entity a tick."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.flights import LATE_AFTER, UNKNOWN_PLANE, Flights
from likewise.cli.demo.local_time import DAY, Minutes
from likewise.cli.demo.rolling import SPAN, Integers, Knowledge, ratio

WINDOW_DAYS = (1, 7, 28)


@dataclass(frozen=True, slots=True)
class RollingView:
    """A view of rolling statistics.

    Attributes
    ----------
    prefix
        Of its features' names.
    keys
        Columns of the flights that make the entity.
    tick, offset
        A row is due every `tick` minutes, `offset` minutes after midnight UTC.
    lag
        Minutes from a row's event time until it has been computed: its created time.
    only_changes
        Leave out a row that would repeat the one before.
    """

    name: str
    prefix: str
    keys: tuple[str, ...]
    tick: int
    lag: int
    offset: int = 0
    only_changes: bool = False


ROLLING_VIEWS = (
    RollingView("carrier_delays", "carrier", ("carrier",), tick=60, lag=5),
    RollingView("origin_delays", "origin", ("origin",), tick=60, lag=5),
    RollingView("destination_delays", "dest", ("dest",), tick=6 * 60, lag=10),
    RollingView("route_delays", "route", ("origin", "dest"), tick=6 * 60, lag=10),
    RollingView("plane_delays", "plane", ("tailnum",), tick=DAY, lag=15, offset=6 * 60, only_changes=True),
)


@dataclass(frozen=True, slots=True)
class EntityTicks:
    """n rows: which entity, at which instant (minutes since 1970 UTC)."""

    entity: Integers
    instant: Minutes


@dataclass(frozen=True, slots=True)
class EntityKnowledge:
    """What became known of m entities, and their names.

    Attributes
    ----------
    names
        Key column -> (m,) names.
    """

    names: Mapping[str, npt.NDArray[np.object_]]
    departures: Knowledge
    arrivals: Knowledge

    def place(self, rows: EntityTicks, shift: int = 0) -> Integers:
        """Return a number that grows whenever something became known of the entity by instant - shift."""
        instant = rows.instant - shift
        return self.departures.place(rows.entity, instant) + self.arrivals.place(rows.entity, instant)


def learn(flights: Flights, keys: tuple[str, ...]) -> EntityKnowledge:
    """Return what became known of each entity: departures and cancellations, and arrivals."""
    table = flights.table
    known = np.ones(len(table), bool) if "tailnum" not in keys else (table["tailnum"] != UNKNOWN_PLANE).to_numpy()
    grouped = table.loc[known, list(keys)].groupby(list(keys), sort=True)
    codes = np.full(len(table), -1, np.int64)
    codes[known] = grouped.ngroup().to_numpy()
    entities = grouped.size().reset_index()[list(keys)]
    left, arrived = flights.left, flights.arrived
    departure = {
        "flights": np.ones(len(table), np.int64),
        "departed": left.astype(np.int64),
        "delay": np.where(left, flights.departure_delay, 0).astype(np.int64),
    }
    arrival = {
        "arrived": np.ones(len(table), np.int64),
        "delay": np.where(arrived, flights.arrival_delay, 0).astype(np.int64),
        "late": (np.where(arrived, flights.arrival_delay, 0) > LATE_AFTER).astype(np.int64),
    }
    arrived = arrived & known
    return EntityKnowledge(
        {name: entities[name].to_numpy(object) for name in keys},
        Knowledge.of(codes[known], flights.departure_known[known], _only(departure, known)),
        Knowledge.of(codes[arrived], flights.arrival_known[arrived], _only(arrival, arrived)),
    )


def rolling_rows(view: RollingView, knowledge: EntityKnowledge, first: int, last: int) -> EntityTicks:
    """Return the rows of a view from `first` to `last` (minutes since 1970 UTC), by instant, then entity.

    An entity has no row before something was known of it.
    """
    start = first + (view.offset - first) % view.tick
    instants = np.arange(start, last + 1, view.tick, dtype=np.int64)
    entities = np.arange(len(knowledge.names[view.keys[0]]), dtype=np.int64)
    rows = EntityTicks(np.tile(entities, len(instants)), np.repeat(instants, len(entities)))
    keep = knowledge.place(rows) > knowledge.place(rows, shift=SPAN // 2)
    if view.only_changes:
        keep &= _changed(view, knowledge, rows)
    return EntityTicks(rows.entity[keep], rows.instant[keep])


def rolling_features(view: RollingView, knowledge: EntityKnowledge, rows: EntityTicks) -> pd.DataFrame:
    """Return the features of n rows: five for each window, over what became known within it."""
    features: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]] = {}
    for days in WINDOW_DAYS:
        out = knowledge.departures.within(rows.entity, rows.instant, days * DAY)
        back = knowledge.arrivals.within(rows.entity, rows.instant, days * DAY)
        features[f"{view.prefix}_flights_{days}d"] = out["flights"]
        features[f"{view.prefix}_dep_delay_mean_{days}d"] = ratio(out["delay"], out["departed"])
        features[f"{view.prefix}_cancelled_share_{days}d"] = ratio(out["flights"] - out["departed"], out["flights"])
        features[f"{view.prefix}_arr_delay_mean_{days}d"] = ratio(back["delay"], back["arrived"])
        features[f"{view.prefix}_late_share_{days}d"] = ratio(back["late"], back["arrived"])
    return pd.DataFrame(features)


def _changed(view: RollingView, knowledge: EntityKnowledge, rows: EntityTicks) -> npt.NDArray[np.bool_]:
    """Tell whether a fact entered a window or left one since the tick before."""
    changed = np.zeros(len(rows.entity), bool)
    for shift in (0, *(days * DAY for days in WINDOW_DAYS)):
        changed |= knowledge.place(rows, shift) != knowledge.place(rows, shift + view.tick)
    return changed


def _only(amounts: Mapping[str, Integers], rows: npt.NDArray[np.bool_]) -> dict[str, Integers]:
    return {name: values[rows] for name, values in amounts.items()}
