"""Retrieve the point-in-time history of a recipe through Feast: every entity row once, nothing of its future."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import FeatureStore

from likewise.stores.definitions import Definitions, describe_definitions

from .entity_rows import EntityRows, read_entity_rows
from .errors import HistoryColumnsError
from .history_file import EVENT_TIME, ROW, History, write_history
from .history_rows import check_event_times_kept, rows_in_order
from .progress import Progress, silent
from .recipe import Recipe


def retrieve_history(store: FeatureStore, recipe: Recipe, path: Path, progress: Progress = silent) -> History:
    """Retrieve the recipe's history into a Parquet file.

    The store sees join keys, event times and request data, never a label. Feast joins only rows that existed at the
    event time (`filter_by_created_timestamp`), within each view's TTL, and computes on-demand views. What comes
    back is checked row by row, put into the order of the entity rows, and joined with the label columns by row number.

    Parameters
    ----------
    store
        The Feast repository, with definitions applied.
    recipe
        Entity rows and the feature service (through its transform).
    path
        Where the Parquet file goes; an older one is replaced at the end.
    progress
        Called with rows retrieved, of all.

    Raises
    ------
    EntityRowsError, LabelValueError
        When the entity rows lack what the recipe or the service needs.
    HistoryRowsError
        When the offline store lost, repeated, invented or altered rows.
    HistoryColumnsError
        When features are absent from its answer.
    """
    definitions = describe_definitions(store, recipe.feature_service)
    asked_for = [*definitions.join_keys, *definitions.request_fields]
    rows = read_entity_rows(recipe, Path(store.config.repo_path or store.repo_path), asked_for)
    asked = rows.table.select([ROW, *asked_for, EVENT_TIME])
    returned = pa.Table.from_batches(_point_in_time(store, recipe, definitions, asked, progress))
    check_event_times_kept(asked, returned, definitions.join_keys)
    table = _assemble(recipe, definitions, rows, rows_in_order(asked, returned))
    return History(
        path,
        write_history(table, path),
        len(table),
        recipe.feature_service,
        tuple(definitions.features),
        tuple(name for name in rows.table.column_names if name not in {*asked.column_names, *definitions.features}),
        definitions.fingerprint,
    )


def _point_in_time(
    store: FeatureStore, recipe: Recipe, definitions: Definitions, asked: pa.Table, progress: Progress
) -> Iterator[pa.RecordBatch]:
    short_names = [reference.rpartition(":")[2] for reference in definitions.feature_refs]
    job = store.get_historical_features(
        entity_df=asked.to_pandas(),
        features=store.get_feature_service(recipe.feature_service),
        full_feature_names=short_names != list(definitions.features),
        filter_by_created_timestamp=True,
    )
    done = 0
    for batch in _batches(job):
        done += batch.num_rows
        progress(done, len(asked))
        yield batch


def _batches(job: Any) -> Iterator[pa.RecordBatch]:
    # Our offline store streams, on-demand views included; Feast's own give one table.
    if hasattr(job, "to_record_batches"):
        yield from job.to_record_batches()
    else:
        yield from job.to_arrow().to_batches(max_chunksize=65_536)


def _assemble(recipe: Recipe, definitions: Definitions, rows: EntityRows, returned: pa.Table) -> pa.Table:
    """Return row number, entity columns and features, chosen one by one: Feast's order is that of a set."""
    service = recipe.feature_service
    features = list(definitions.features)
    if absent := [name for name in features if name not in returned.column_names]:
        raise HistoryColumnsError(service, absent)
    own = rows.table.drop_columns([name for name in features if name in rows.table.column_names])
    own = own.select([ROW, *(name for name in own.column_names if name != ROW)])
    for name in features:
        own = own.append_column(name, _typed(returned.column(name), definitions, name))
    return own


def _typed(values: pa.ChunkedArray, definitions: Definitions, name: str) -> pa.ChunkedArray:
    # A column without any value comes back without a type, and a transform could not tell what it is.
    return values.cast(definitions.features[name].to_arrow()) if pa.types.is_null(values.type) else values
