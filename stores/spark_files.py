"""Feast's Spark offline store over the file sources of a repository that otherwise uses ours.

Feast's Spark store takes Spark sources only, so that a repository would need second definitions, and a release that
pins the first would not know the second. Here each file source is handed to it as the Spark source that reads the
same files; the definitions stay as they are.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.compute_engines.spark.compute import SparkComputeEngine, SparkComputeEngineConfig
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    get_spark_session_or_start_new_with_repoconfig,
)
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.repo_config import RepoConfig

from likewise.stores.asof_paths import resolve
from likewise.stores.asof_source import file_source
from likewise.stores.asof_view import batch_source


class SparkFilesOfflineStoreConfig(SparkOfflineStoreConfig):
    """The `offline_store` part of `feature_store.yaml`: Feast's settings, `spark_conf` above all."""

    type: str = "likewise.stores.spark_files.SparkFilesOfflineStore"


class SparkFilesOfflineStore(SparkOfflineStore):
    """Feast's store with file sources read by Spark, in a session that plays in UTC."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig, feature_views: list[FeatureView], *given: Any, **options: Any
    ) -> RetrievalJob:
        """Plan Feast's point-in-time join in SQL; rows come in any order."""
        _prepare(config)
        views = [_over_spark(config, view) for view in feature_views]
        return SparkOfflineStore.get_historical_features(config, views, *given, **options)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig, data_source: DataSource, *given: Any, **options: Any
    ) -> RetrievalJob:
        """Plan to read the newest row of each key in an interval."""
        _prepare(config)
        source = spark_source(data_source, config)
        return SparkOfflineStore.pull_latest_from_table_or_query(config, source, *given, **options)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig, data_source: DataSource, *given: Any, **options: Any
    ) -> RetrievalJob:
        """Plan to read all rows of an interval."""
        _prepare(config)
        source = spark_source(data_source, config)
        return SparkOfflineStore.pull_all_from_table_or_query(config, source, *given, **options)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows to the view's files."""
        _prepare(config)
        SparkOfflineStore.offline_write_batch(config, _over_spark(config, feature_view), table, progress)


class SparkFilesEngineConfig(SparkComputeEngineConfig):
    """The `batch_engine` part of `feature_store.yaml`: Feast's settings; `spark_conf` is that of the offline store."""

    type: str = "likewise.stores.spark_files.SparkFilesEngine"  # type: ignore[assignment]


class SparkFilesEngine(SparkComputeEngine):
    """Feast's engine in the offline store's session, so that one place says how Spark runs."""

    def _get_feature_view_spark_session(self, feature_view: FeatureView) -> Any:
        _prepare(self.repo_config)
        return super()._get_feature_view_spark_session(feature_view)


def spark_source(source: DataSource, config: RepoConfig) -> DataSource:
    """Return what Spark reads: a file source as Spark source of the same files, any other as it is.

    Raises
    ------
    SourceError
        The files are not Parquet.
    """
    if not isinstance(source, FileSource):
        return source
    checked = file_source(source, "source")
    return SparkSource(
        name=checked.name,
        path=resolve(checked.path, Path(config.repo_path or Path.cwd())),
        file_format="parquet",
        timestamp_field=checked.timestamp_field,
        created_timestamp_column=checked.created_timestamp_column,
        field_mapping=dict(checked.field_mapping or {}),
    )


def _over_spark(config: RepoConfig, view: FeatureView) -> FeatureView:
    found = copy.copy(view)
    found.batch_source = spark_source(batch_source(view), config)
    return found


def _prepare(config: RepoConfig) -> None:
    """Start or find the session; its workers run this Python, and its instants are UTC."""
    # Else the workers run the machine's Python, which may lack pyarrow.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = get_spark_session_or_start_new_with_repoconfig(config.offline_store)
    # Feast writes instants into its SQL as UTC without saying so.
    session.conf.set("spark.sql.session.timeZone", "UTC")
