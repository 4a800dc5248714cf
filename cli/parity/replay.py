"""Bring an online store to what its declared cadence would have put there by an instant."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa
from feast import FeatureStore, FeatureView
from feast.data_source import PushMode

from likewise.cli.errors import OnlineAheadError, UnknownViewError
from likewise.cli.parity.cadence import EPOCH, Cadence, cadence_of
from likewise.cli.parity.side_store import clock_at
from likewise.cli.parity.source_rows import CREATED, EVENT, SourceRows, source_rows
from likewise.cli.progress import Report
from likewise.training.progress import silent


class Write(Protocol):
    """Writes one view's rows of a run; the default writes them as they are."""

    def __call__(self, store: FeatureStore, cadence: Cadence, since: datetime | None, run: datetime) -> None:
        """Write what became known after `since` and by `run`."""
        ...


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a view: what became known after `since` (None: ever) and by `at`."""

    cadence: Cadence
    since: datetime | None
    at: datetime


class Replay:
    """Plays the runs of every view in time order, each at the instant it was due.

    Parameters
    ----------
    store
        The store to write to; best a side store.
    repo
        Folder that the sources' paths are relative to.
    views
        Names of the views to keep up to date; others are left alone.
    """

    def __init__(self, store: FeatureStore, repo: Path, views: Sequence[str]) -> None:
        known = online_views(store)
        for name in views:
            if name not in known:
                raise UnknownViewError(name, known)
        self.store, self.repo = store, repo
        self.views: Mapping[str, FeatureView] = {name: store.get_feature_view(name) for name in views}
        self.cadences = tuple(cadence_of(name, view.tags) for name, view in self.views.items())
        self.runs: dict[str, datetime] = {}

    def advance(self, instant: datetime, writes: Mapping[str, Write] | None = None, report: Report = silent) -> None:
        """Play every run that was due after the previous call and by `instant`.

        All runs of a view since then are played as one: each row lands by compare-and-set on (event time, created
        time), so the newest row that the last of them could see is what they leave together.
        """
        planned = [_Run(one, self.runs.get(one.view), one.last_run(instant)) for one in self.cadences]
        due = [run for run in planned if run.since is None or run.at > run.since]
        # Feast's own bookkeeping costs 0.1 s a call: views with the same window share one.
        by_window = sorted(due, key=lambda run: (run.at, run.since or EPOCH))
        done = len(planned) - len(due)
        for (at, since), runs in groupby(by_window, key=lambda run: (run.at, run.since)):
            report(done, len(planned))
            views = [run.cadence for run in runs]
            # Feast prints a heading and a bar for each view; the caller's own bar tells enough.
            with clock_at(at), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                self._write(views, since, at, writes or {})
            self.runs.update({cadence.view: at for cadence in views})
            done += len(views)

    def _write(
        self, cadences: Sequence[Cadence], since: datetime | None, run: datetime, writes: Mapping[str, Write]
    ) -> None:
        materialized = [one.view for one in cadences if one.push_source is None and one.view not in writes]
        if materialized:
            self.store.materialize(start_date=since or EPOCH, end_date=run, feature_views=materialized)
        for cadence in cadences:
            if cadence.view in writes:
                writes[cadence.view](self.store, cadence, since, run)
            elif cadence.push_source is not None:
                self._push(cadence, since, run)

    def check_not_ahead(self, instant: datetime) -> None:
        """Raise `OnlineAheadError` if a view was materialized beyond `instant`: online would show the future."""
        for name, view in self.views.items():
            until = max((end for _, end in view.materialization_intervals), default=EPOCH)
            if until > instant:
                raise OnlineAheadError(name, until, instant)

    def due(self, view: str, instant: datetime) -> datetime:
        """Return the start of the last run of a view that was due by `instant`."""
        return cadence_of(view, self.views[view].tags).last_run(instant)

    def rows(self, view: str) -> SourceRows:
        """Return the batch source of a view."""
        return source_rows(self.views[view], self.repo)

    def _push(self, cadence: Cadence, since: datetime | None, run: datetime) -> None:
        rows = self.rows(cadence.view)
        newest = rows.newest(run, since or EPOCH)
        if newest.num_rows:
            self.store.push(str(cadence.push_source), as_frame(newest, rows), to=PushMode.ONLINE)


def as_frame(table: pa.Table, rows: SourceRows) -> pd.DataFrame:
    """Return rows as the data frame that Feast's write calls take."""
    names = {EVENT: rows.event, CREATED: rows.created}
    frame: pd.DataFrame = table.rename_columns([names.get(name, name) for name in table.column_names]).to_pandas()
    return frame


def online_views(store: FeatureStore) -> list[str]:
    """Return the names of the views whose rows belong in the online store, in order."""
    return sorted(view.name for view in store.list_feature_views() if view.online)
