"""Arrow record batches into Redis: packing goes on while the rows before are on their way."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.utils import _convert_arrow_to_proto

from likewise.stores.packed_arrow import cells_from_arrow, column_of, row_times
from likewise.stores.packed_encode import encode_rows
from likewise.stores.packed_errors import MissingColumnError, ValueMismatchError
from likewise.stores.packed_keys import entity_array
from likewise.stores.packed_rows import PackedRows, WriteRow
from likewise.stores.packed_views import StoredView
from likewise.stores.packed_write import Destination, RowWriter

ROWS_PER_STEP: Final = 4000  # one round trip; a packed step stays within the processor's cache and a few MB of memory
BYTES_PER_STEP: Final = 8 << 20  # where rows are wide (embeddings), fewer of them
STEPS_AHEAD: Final = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TimeColumns:
    """The names of a source's timestamp columns."""

    event: str
    created: str | None


def time_columns(view: FeatureView) -> TimeColumns:
    """Return the timestamp columns of a view's batches: those of its batch source.

    Raises
    ------
    MissingColumnError
        The view has no batch source, so nothing says which column is the event time.
    """
    source = view.batch_source
    if source is None or not source.timestamp_field:
        raise MissingColumnError(view.name, ["an event timestamp column"], ["no batch source that names one"])
    return TimeColumns(source.timestamp_field, source.created_timestamp_column or None)


def write_batches(
    writer: RowWriter,
    destination: Destination,
    view: StoredView,
    batches: Iterable[pa.RecordBatch],
    times: TimeColumns,
    progress: Callable[[int], Any] | None,
) -> int:
    """Write record batches in order; return how many rows landed. Memory holds a few steps at a time."""
    landed = 0
    ahead: list[Future[int]] = []
    # One sender: rows of one key keep their order, and packing overlaps with sending.
    with ThreadPoolExecutor(1, thread_name_prefix="packed-write") as sender:
        for packed in _packed(view, batches, times):
            ahead.append(sender.submit(writer.write, destination, packed.keys, packed.rows, progress))
            if len(ahead) > STEPS_AHEAD:
                landed += ahead.pop(0).result()
        return landed + sum(future.result() for future in ahead)


def _packed(view: StoredView, batches: Iterable[pa.RecordBatch], times: TimeColumns) -> Iterator[PackedRows]:
    for batch in batches:
        step = max(1, min(ROWS_PER_STEP, BYTES_PER_STEP * batch.num_rows // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, step):
            yield pack_batch(view, batch.slice(start, step), times)


def pack_batch(view: StoredView, batch: pa.RecordBatch, times: TimeColumns) -> PackedRows:
    """Return the keys and rows of one record batch; rows without a join key value cannot be asked for and are left out.

    Raises
    ------
    MissingColumnError, ValueMismatchError
        The batch lacks a column, or a column's values are not of the declared type.
    """
    name = view.schema.view
    entities = entity_array([_join_key(batch, key, name) for key in view.schema.join_keys], f"feature view {name}")
    if entities.null_count:
        _log.warning("%s: %d rows without a join key value were left out", name, entities.null_count)
        batch, entities = batch.filter(entities.is_valid()), entities.drop_null()
    event = column_of(batch, times.event, name)
    if event.null_count:
        raise ValueMismatchError(f"{name}:{times.event}", "an event time in every row", f"{event.null_count} nulls")
    created = column_of(batch, times.created, name) if times.created else None
    cells = {
        field.name: cells_from_arrow(f"{name}:{field.name}", field.type, column_of(batch, field.name, name))
        for field in view.schema.fields
    }
    keys = pc.binary_join_element_wise(
        pa.scalar(view.prefix, pa.large_binary()), entities.cast(pa.large_binary()), pa.scalar(b"", pa.large_binary())
    )
    return PackedRows(keys.to_pylist(), encode_rows(view.schema, row_times(event, created), cells))


def proto_rows(view: FeatureView, batch: pa.RecordBatch) -> list[WriteRow]:
    """Return a record batch as Feast's own stores take it."""
    join_keys = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
    return list(_convert_arrow_to_proto(batch, view, join_keys))


def _join_key(batch: pa.RecordBatch, key: str, view: str) -> pa.Array:
    if key == DUMMY_ENTITY_ID and key not in batch.schema.names:
        return pa.array(np.full(batch.num_rows, ""), pa.large_string())  # a view without entities has one row
    return column_of(batch, key, view)
