"""Feast's offline store as an as-of join in DuckDB: every entity row kept, in order, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.utils import compute_non_entity_date_range
from pydantic import Field, field_validator

from likewise.stores.asof_entities import EntityInput
from likewise.stores.asof_history import HistoryQuery
from likewise.stores.asof_job import AsofRetrievalJob, JobContext
from likewise.stores.asof_pull import Interval, PullColumns, PullQuery
from likewise.stores.asof_session import SessionSettings
from likewise.stores.asof_snapshot import EntitylessRange
from likewise.stores.asof_source import file_source
from likewise.stores.asof_view import plan_views, steady_order
from likewise.stores.asof_write import append_rows, write_logs
from likewise.stores.clock import clock_from_environment

_AMOUNT = re.compile(r"\d+(\.\d+)?\s*[KMGT]i?B", re.IGNORECASE)


class AsofDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """The `offline_store` part of `feature_store.yaml`."""

    type: str = "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore"
    memory_limit: str | None = None
    """Memory of DuckDB, such as `2GB`; beyond it, it spills. Default: 80 % of the machine's."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of DuckDB. Default: one per core."""
    spill_directory: str | None = None
    """Where it spills, relative to the repository. Default: the system's temporary folder."""
    batch_rows: int = Field(default=65_536, ge=1)
    """Rows of a streamed record batch."""
    progress: bool | None = None
    """Show bars; left out, when standard error is a terminal."""

    @field_validator("memory_limit")
    @classmethod
    def _is_an_amount(cls, text: str | None) -> str | None:
        # DuckDB takes -1GB for no limit and finds a wrong unit only when it is asked for rows.
        if text is not None and not _AMOUNT.fullmatch(text.strip()):
            raise ValueError(f"memory_limit: expected a number with its unit, such as '2GB' or '512MiB', got {text!r}")
        return text


class HistoryOptions(TypedDict, total=False):
    """What Feast passes to `get_historical_features` only when it is set."""

    full_feature_names: bool
    filter_by_created_timestamp: bool
    start_date: datetime | None
    end_date: datetime | None


class AsofDuckDBOfflineStore(DuckDBOfflineStore):
    """Parquet sources, joined as of each entity row's instant. Monitoring is Feast's own."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(  # type: ignore[override]  # Feast passes keywords only, some only when set
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: EntityInput | None,
        registry: BaseRegistry,
        project: str,
        **options: Unpack[HistoryOptions],
    ) -> RetrievalJob:
        """Plan the point-in-time join; it runs when the job is asked for rows."""
        full_names = bool(options.get("full_feature_names"))
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        refs = steady_order(feature_refs, on_demand)
        settings = session_settings(config)
        rows: EntityInput | EntitylessRange
        if entity_df is None:
            rows = EntitylessRange(
                *compute_non_entity_date_range(feature_views, options.get("start_date"), options.get("end_date"))
            )
        else:
            rows = entity_df
        query = HistoryQuery(
            settings,
            plan_views(feature_views, refs, full_names=full_names),
            rows,
            known_only=bool(options.get("filter_by_created_timestamp")),
        )
        return AsofRetrievalJob(query, JobContext(settings.repository, full_names, on_demand, refs, query.outline))

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None,
        end_date: datetime | None,
    ) -> RetrievalJob:
        """Plan to read the newest row of each key in an interval, of what the clock says exists."""
        times = (timestamp_field, created_timestamp_column, start_date, end_date)
        return _pull(config, data_source, (join_key_columns, feature_name_columns), times, latest=True)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Plan to read all rows of an interval, of what the clock says exists."""
        times = (timestamp_field, created_timestamp_column, start_date, end_date)
        return _pull(config, data_source, (join_key_columns, feature_name_columns), times, latest=False)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to the view's batch source."""
        source = file_source(feature_view.batch_source, f"batch source of {feature_view.name}")
        append_rows(table, source, session_settings(config).repository, progress)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,  # noqa: ARG004 - Feast's signature
        logging_config: LoggingConfig,
        registry: BaseRegistry,  # noqa: ARG004
    ) -> None:
        """Append served features to their log's folder."""
        write_logs(data, logging_config, session_settings(config).repository)


def session_settings(config: RepoConfig) -> SessionSettings:
    """Return the settings of a repository's offline store."""
    own = config.offline_store
    repository = Path(config.repo_path) if config.repo_path else Path.cwd()
    spill = getattr(own, "spill_directory", None)
    return SessionSettings(
        memory_limit=getattr(own, "memory_limit", None),
        threads=getattr(own, "threads", None),
        spill_directory=repository / spill if spill else None,
        repository=repository,
        batch_rows=getattr(own, "batch_rows", 65_536),
        progress=getattr(own, "progress", None),
    )


def _pull(
    config: RepoConfig,
    source: DataSource,
    columns: tuple[list[str], list[str]],
    times: tuple[str, str | None, datetime | None, datetime | None],
    *,
    latest: bool,
) -> RetrievalJob:
    event, created, start, end = times
    settings = session_settings(config)
    query = PullQuery(
        settings=settings,
        source=file_source(source, "source to pull"),
        columns=PullColumns(tuple(columns[0]), tuple(columns[1]), event, created or None),
        interval=Interval(_utc(start), _utc(end), clock_from_environment().now()),
        latest=latest,
    )
    return AsofRetrievalJob(query, JobContext(settings.repository))


def _utc(when: datetime | None) -> datetime | None:
    # Feast's naive instants are UTC.
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)
