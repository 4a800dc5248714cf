"""The repository's Spark profile: the same definitions and entity rows, retrieved by Feast's Spark store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from likewise.stores.definitions import describe_definitions
from likewise.training.history import retrieve_history
from likewise.training.recipe_file import load_recipe
from tests.spark import ENGINE, OFFLINE, needs_spark, spark_conf

__all__ = ["spark_conf"]
PROFILE = "feature_store.spark.yaml"


@needs_spark
def test_the_profile_differs_in_store_and_engine_alone(repository: Path, store: FeatureStore) -> None:
    """Project, registry and online store are the repository's own; a release pins the same definitions under both."""
    spark = FeatureStore(fs_yaml_file=repository / PROFILE, repo_path=str(repository))
    ours, theirs = (found.config.model_dump(mode="json") for found in (store, spark))
    differ = {name for name in ours if ours[name] != theirs[name]}
    assert differ <= {"offline_store", "offline_config", "batch_engine", "batch_engine_config"}
    assert (spark.config.offline_store.type, spark.config.batch_engine.type) == (OFFLINE, ENGINE)
    fingerprints = {describe_definitions(found, "flight_delay_v1").fingerprint for found in (store, spark)}
    assert len(fingerprints) == 1


@pytest.mark.slow
@needs_spark
@pytest.mark.filterwarnings("ignore")
def test_history_over_spark_is_ours(
    repository: Path, store: FeatureStore, tmp_path: Path, spark_conf: dict[str, str]
) -> None:
    """All features of the flights' service, on-demand ones included, have our store's values, row by row and in order.

    Twelve views, created times counted; and a transform fitted on either history has one digest.
    """
    recipe = replace(load_recipe(repository / "recipes" / "flight_delay.py"), sample=0.05)
    spark = FeatureStore(fs_yaml_file=repository / PROFILE, repo_path=str(repository))
    found = {name: retrieve_history(s, recipe, tmp_path / name) for name, s in {"ours": store, "spark": spark}.items()}
    ours, theirs = (pq.read_table(history.path) for history in found.values())
    assert ours.column_names == theirs.column_names
    for name in ours.column_names:
        assert plain(theirs, name) == plain(ours, name), name
    fitted = {recipe.transform.fit(pq.read_table(history.path)).digest for history in found.values()}
    assert len(fitted) == 1


def plain(table: object, name: str) -> list[object]:
    values = table[name].to_pylist()  # type: ignore[index]
    return [None if value != value else value for value in values]
