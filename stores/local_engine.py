"""Feast's batch engine as a stream: Arrow record batches from the offline store to the online store.

Every view is safe to repeat: the packed online store lands a row only when Redis holds none that is newer by
(event time, created time), so a run that was killed is simply run again. A view's materialized interval is recorded
when that view is through, so what was finished before a kill is not done again by `materialize-incremental`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
from feast import BatchFeatureView, Entity, FeatureView, OnDemandFeatureView, StreamFeatureView
from feast.infra.common.materialization_job import (
    MaterializationJob,
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import _convert_arrow_to_proto

from likewise.stores.asof_duckdb import AsofDuckDBOfflineStore, session_settings
from likewise.stores.asof_progress import Bars, bars
from likewise.stores.asof_pull import Counted, Interval, PullColumns, PullQuery
from likewise.stores.asof_source import file_source
from likewise.stores.asof_view import batch_source, join_keys, unmapped
from likewise.stores.clock import clock_from_environment

AnyView = BatchFeatureView | StreamFeatureView | FeatureView
Progress = Callable[[int], None]
# Where Feast's own code converts rows to protobuf: what one conversion holds in memory.
_FALLBACK_ROWS = 10_000


class LikewiseEngineConfig(FeastConfigBaseModel):
    """The `batch_engine` part of `feature_store.yaml`."""

    type: str = "likewise.stores.local_engine.LikewiseEngine"
    pull_latest: bool = True
    """Write only the newest row of each key; else every row, in order."""
    parallel_views: int = 2
    """Views on their way at once: one is read while another is written."""
    progress: bool | None = None
    """Show bars; left out, when standard error is a terminal."""


@runtime_checkable
class ArrowWriter(Protocol):
    """An online store that takes Arrow: ours."""

    def write_arrow(
        self, config: RepoConfig, view: FeatureView, batches: Iterator[pa.RecordBatch], progress: Progress | None
    ) -> int:
        """Write rows; return how many landed."""
        ...


@dataclass
class ViewJob(MaterializationJob):
    """One view's run, finished or failed."""

    task: MaterializationTask
    rows: int = 0
    failure: BaseException | None = None

    def status(self) -> MaterializationJobStatus:
        """Return whether it succeeded."""
        return MaterializationJobStatus.ERROR if self.failure else MaterializationJobStatus.SUCCEEDED

    def error(self) -> BaseException | None:
        """Return why it failed."""
        return self.failure

    def should_be_retried(self) -> bool:
        """Return no: whoever started the run decides."""
        return False

    def job_id(self) -> str:
        """Return the view and interval."""
        return f"{self.task.feature_view.name}-{self.task.start_time}-{self.task.end_time}"

    def url(self) -> str | None:
        """Return none."""
        return None


class LikewiseEngine(ComputeEngine):
    """Materializes views as streams, several at once, in bounded memory."""

    def __init__(
        self, *, pull_latest: bool = True, parallel_views: int = 2, progress: bool | None = None, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self._pull_latest = pull_latest
        self._parallel_views = parallel_views
        self._progress = progress
        self._registry_lock = Lock()

    def update(
        self,
        project: str,
        views_to_delete: Sequence[AnyView],
        views_to_keep: Sequence[AnyView | OnDemandFeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Prepare nothing: the engine is this process."""

    def teardown_infra(self, project: str, fvs: Sequence[AnyView], entities: Sequence[Entity]) -> None:
        """Remove nothing."""

    @property
    def supports_batch(self) -> bool:
        """Take all views in one call."""
        return True

    @property
    def applies_materialization(self) -> bool:
        """Record each view's interval as soon as it is through."""
        return True

    def materialize(
        self, registry: BaseRegistry, tasks: MaterializationTask | list[MaterializationTask], **_: Any
    ) -> list[MaterializationJob]:
        """Bring every task's view to the online store; a failed view does not stop the others."""
        listed = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        parallel = self._parallel_views if isinstance(self.online_store, ArrowWriter) else 1
        workers = max(1, min(parallel, len(listed)))
        with bars(wanted=self._progress) as shown, ThreadPoolExecutor(max_workers=workers) as pool:
            return list(pool.map(lambda task: self._run(registry, task, shown), listed))

    def _run(self, registry: BaseRegistry, task: MaterializationTask, shown: Bars) -> MaterializationJob:
        try:
            if needs_feast(task.feature_view):
                return self._by_feast(registry, task)
            rows = self._transfer(task, shown)
            self._record(registry, task)
        except Exception as error:
            # The edge to Feast, which raises a job's error.
            return ViewJob(task, failure=error)
        return ViewJob(task, rows)

    def _by_feast(self, registry: BaseRegistry, task: MaterializationTask) -> MaterializationJob:
        engine = LocalComputeEngine(
            repo_config=self.repo_config, offline_store=self.offline_store, online_store=self.online_store
        )
        (job,) = engine.materialize(registry, task)
        if job.status() is not MaterializationJobStatus.ERROR:
            self._record(registry, task)
        return job

    def _record(self, registry: BaseRegistry, task: MaterializationTask) -> None:
        with self._registry_lock:
            registry.apply_materialization(task.feature_view, task.project, task.start_time, task.end_time)

    def _transfer(self, task: MaterializationTask, shown: Bars) -> int:
        view = task.feature_view
        with shown.waiting(f"{view.name}: choosing rows"):
            pulled = self._pull(task)
        return self._write(view, renamed(view, pulled.batches), shown.add(view.name, pulled.rows))

    def _pull(self, task: MaterializationTask) -> Counted:
        view = task.feature_view
        columns = pull_columns(view)
        start, end = _utc(task.start_time), _utc(task.end_time)
        if isinstance(self.offline_store, AsofDuckDBOfflineStore):
            # Windows are of event time; what became known late, after its window's run, is taken along.
            interval = Interval(start, end, clock_from_environment().now(), with_late=True)
            source = file_source(batch_source(view), view.name)
            settings = session_settings(self.repo_config)
            return PullQuery(settings, source, columns, interval, latest=self._pull_latest).counted()
        return self._pull_by_feast(view, columns, start, end)

    def _pull_by_feast(self, view: AnyView, columns: PullColumns, start: datetime, end: datetime) -> Counted:
        pull = (
            self.offline_store.pull_latest_from_table_or_query
            if self._pull_latest
            else self.offline_store.pull_all_from_table_or_query
        )
        table = pull(
            config=self.repo_config,
            data_source=batch_source(view),
            join_key_columns=list(columns.keys),
            feature_name_columns=list(columns.features),
            timestamp_field=columns.event,
            created_timestamp_column=columns.created,
            start_date=start,
            end_date=end,
        ).to_arrow()
        if not self._pull_latest:
            table = table.sort_by([(name, "ascending") for name in (columns.event, columns.created) if name])
        return Counted(table.num_rows, table.to_reader())

    def _write(self, view: AnyView, batches: Iterator[pa.RecordBatch], progress: Progress) -> int:
        if isinstance(self.online_store, ArrowWriter):
            return self.online_store.write_arrow(self.repo_config, view, batches, progress)
        kinds = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
        written = 0
        for batch in _at_most(batches, _FALLBACK_ROWS):
            rows = _convert_arrow_to_proto(batch, view, kinds)
            self.online_store.online_write_batch(self.repo_config, view, rows, None)
            progress(len(rows))
            written += len(rows)
        return written


def needs_feast(view: AnyView) -> bool:
    """Say whether a view is computed while it is materialized: Feast's own engine does that, in memory."""
    computed = ("feature_transformation", "aggregations", "source_views", "filter", "enable_validation", "offline")
    return any(getattr(view, name, None) for name in computed)


def pull_columns(view: AnyView) -> PullColumns:
    """Return the source's columns of a view, field mapping undone."""
    source = batch_source(view)
    raw, created = unmapped(source), source.created_timestamp_column
    return PullColumns(
        keys=tuple(key.source for key in join_keys(view)),
        features=tuple(raw(feature.name) for feature in view.features),
        event=raw(source.timestamp_field),
        created=raw(created) if created else None,
    )


def renamed(view: AnyView, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield batches under the names of the view."""
    mapping = batch_source(view).field_mapping or {}
    names = [mapping.get(name, name) for name in batches.schema.names]
    for batch in batches:
        yield batch.rename_columns(names)


def _at_most(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _utc(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)
