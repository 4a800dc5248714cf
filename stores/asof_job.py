"""A retrieval that has been planned and not yet run, as Feast's RetrievalJob."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from likewise.stores.asof_history import Outline
from likewise.stores.asof_source import file_source
from likewise.stores.asof_write import persist_batches


class Query(Protocol):
    """Something that can be run again and again and streams its result."""

    def batches(self) -> pa.RecordBatchReader:
        """Run and return the result as a stream; reading it to the end frees what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job knows beside its query."""

    repository: Path
    full_names: bool = False
    on_demand: Sequence[OnDemandFeatureView] = field(default_factory=list)
    features: Sequence[str] = ()
    outline: Callable[[], Outline] | None = None


class AsofRetrievalJob(RetrievalJob):
    """A retrieval of this store: Feast's methods, and `to_record_batches` for results beyond memory."""

    def __init__(self, query: Query, context: JobContext) -> None:
        self._query = query
        self._context = context

    def to_record_batches(self) -> pa.RecordBatchReader:
        """Run the retrieval and return its rows as a stream, on-demand features included.

        Memory stays within DuckDB's limit plus a few batches. Rows come in the order of the entity rows.
        """
        reader = self._query.batches()
        if not self._context.on_demand:
            return reader
        chunks = (self._on_demand(chunk) for chunk in reader)
        first = next(chunks, None)
        if first is None:
            first = self._on_demand(pa.RecordBatch.from_pylist([], schema=reader.schema))
        return pa.RecordBatchReader.from_batches(first.schema, _as_batches(first, chunks))

    def _on_demand(self, chunk: pa.RecordBatch) -> pa.Table:
        # Feast's own to_arrow applies on-demand views; a job around one chunk is the way to it.
        return AsofRetrievalJob(_Chunk(chunk), self._context).to_arrow()

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002 - Feast's signature
        return self._query.batches().read_all()

    def _to_df_internal(self, timeout: int | None = None) -> Any:
        return self._to_arrow_internal(timeout).to_pandas()

    @property
    def full_feature_names(self) -> bool:
        """Whether feature columns carry their view's name."""
        return self._context.full_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The on-demand views that Feast computes on the result."""
        return list(self._context.on_demand)

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Feature references, keys and time range of the retrieval."""
        return None if self._context.outline is None else LateMetadata(self._context.features, self._context.outline)

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,  # noqa: FBT001, FBT002 - Feast's signature
        timeout: int | None = None,  # noqa: ARG002
    ) -> None:
        """Stream the result into a saved dataset's Parquet file or folder."""
        target = file_source(storage.to_data_source(), "saved dataset")
        persist_batches(self.to_record_batches(), target, self._context.repository, overwrite=allow_overwrite)


@dataclass(frozen=True, slots=True)
class _Chunk:
    batch: pa.RecordBatch

    def batches(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.batch.schema, [self.batch])


def _as_batches(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    yield from first.to_batches()
    for table in rest:
        # One chunk's inferred type (all null, say) must not end the stream.
        yield from table.cast(first.schema).to_batches()


class LateMetadata(RetrievalMetadata):
    """Feast's metadata, with what is only known by reading the entity rows read when asked for."""

    def __init__(self, features: Sequence[str], outline: Callable[[], Outline]) -> None:
        self.features = list(features)
        self._outline = outline

    @cached_property
    def _known(self) -> Outline:
        return self._outline()

    @property
    def keys(self) -> list[str]:  # type: ignore[override]
        """Columns of the entity rows but the event time."""
        return list(self._known.keys)

    @property
    def min_event_timestamp(self) -> datetime | None:  # type: ignore[override]
        """First event time."""
        return self._known.first

    @property
    def max_event_timestamp(self) -> datetime | None:  # type: ignore[override]
        """Last event time."""
        return self._known.last
