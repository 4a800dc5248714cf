"""Negative controls: faults put in on purpose, each of which the check must find."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from feast import FeatureStore

from likewise.cli.parity.cadence import Cadence
from likewise.cli.parity.compare import equal_values
from likewise.cli.parity.replay import Replay, Write, as_frame
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.online import HeldRows, StoredRows, ViewStore
from likewise.transforms import FittedTransform
from likewise.transforms.columns import Column, LogicalType

SHIFT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what it does to the writes of a replay, and to the release that answers.

    Attributes
    ----------
    writes
        View -> how its rows are written in place of the right way.
    spoil
        Returns the release with the fault in it.
    can_mend
        Whether playing the run again undoes it.
    is_applicable
        Tells, after the fact, whether the fault changed anything at all: there is no default to change where nothing
        is missing.
    """

    name: str
    writes: Mapping[str, Write] = field(default_factory=dict)
    spoil: Callable[[LoadedRelease], LoadedRelease] = lambda release: release
    can_mend: bool = True
    is_applicable: Callable[[], bool] = lambda: True


def faults(view: str, replay: Replay, other: FittedTransform) -> tuple[Fault, ...]:
    """Return the five controls.

    Parameters
    ----------
    view
        A view whose rows change between two instants.
    other
        Another fitted version of the release's transform.
    """
    return (
        Fault("another transform version", spoil=lambda release: replace(release, transform=other)),
        _of_values("a changed default", _zero_for_missing),
        _of_values("a float32 round trip", _through_float32),
        Fault("a stale view", writes={view: _skip}),
        # Last: rows from the future win over right ones until their time has come.
        Fault("a shifted event time", writes={view: _Shifted(replay)}, can_mend=False),
    )


def _skip(store: FeatureStore, cadence: Cadence, since: datetime | None, run: datetime) -> None:
    """Leave the view as the run before left it."""


@dataclass(frozen=True, slots=True)
class _Shifted:
    """Writes the rows of a run with event times an hour off, as a wrong time zone would."""

    replay: Replay

    def __call__(self, store: FeatureStore, cadence: Cadence, since: datetime | None, run: datetime) -> None:
        rows = self.replay.rows(cadence.view)
        frame = as_frame(rows.newest(run, oldest=(since or run) - timedelta(days=2)), rows)
        frame[rows.event] += SHIFT
        store.write_to_online_store(cadence.view, frame)


@dataclass(slots=True)
class _Tally:
    """How many values a fault changed."""

    changed: int = 0


@dataclass(frozen=True, slots=True)
class _Spoiled:
    """An online store whose numbers pass through a function."""

    store: ViewStore
    change: Callable[[Column], Column]
    tally: _Tally

    def read(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return the changed rows of every view."""
        return [self._changed(rows) for rows in self.store.read(keys)]

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        """Return the same without blocking."""
        return [self._changed(rows) for rows in await self.store.read_async(keys)]

    def _changed(self, rows: StoredRows) -> StoredRows:
        columns = {
            name: self.change(column) if column.type is LogicalType.NUMBER else column
            for name, column in rows.columns.items()
        }
        self.tally.changed += sum(
            int(np.count_nonzero(~equal_values(column, columns[name]))) for name, column in rows.columns.items()
        )
        return HeldRows(columns, rows.statuses, rows.event_times)


def _of_values(name: str, change: Callable[[Column], Column]) -> Fault:
    """Return the fault of an online store whose numbers pass through a function."""
    tally = _Tally()

    def spoil(release: LoadedRelease) -> LoadedRelease:
        return replace(release, reader=replace(release.reader, store=_Spoiled(release.reader.store, change, tally)))

    return Fault(name, spoil=spoil, is_applicable=lambda: tally.changed > 0)


def _zero_for_missing(column: Column) -> Column:
    return replace(column, values=np.nan_to_num(np.asarray(column.values, np.float64), nan=0.0))


def _through_float32(column: Column) -> Column:
    return replace(column, values=np.asarray(column.values, np.float64).astype(np.float32).astype(np.float64))
