"""Feature columns of a source held in memory, to be picked from by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat

from likewise.stores.asof_sorted import facts_bytes
from likewise.stores.asof_source import Relation
from likewise.stores.asof_view import FeatureColumn


@dataclass(frozen=True, slots=True)
class HeldColumn:
    """One feature's values in file order; texts as codes of a dictionary.

    Parameters
    ----------
    kind
        Arrow type of what is picked.
    """

    values: pa.Array
    kind: pa.DataType

    def pick(self, index: pa.Array) -> pa.Array:
        """Return values by position; null where the position is null."""
        picked = self.values.take(index)
        return picked if picked.type == self.kind else picked.cast(self.kind, safe=False)


def needed_bytes(relation: Relation, features: Sequence[FeatureColumn], kinds: pa.Schema) -> int | None:
    """Return about how many bytes `hold` and the sort of the facts would take; None when it cannot hold these columns.

    It cannot where columns come from elsewhere than the files (partition folders, staged sources), where files
    differ, or where types are nested.
    """
    if relation.files is None or not all(_is_plain(field.type) for field in kinds):
        return None
    wanted = {feature.source for feature in features}
    total, seen = 0, None
    for file in relation.files:
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        types = [schema.field(name).type if name in schema.names else None for name in sorted(wanted)]
        if None in types or (seen is not None and types != seen):
            return None
        seen = types
        total += _size(metadata, wanted)
    return total


def _size(metadata: pq.FileMetaData, wanted: set[str]) -> int:
    """Return decoded bytes of fixed-width columns at 8 a value, and of texts as stored, with their codes."""
    stored: int = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        columns = (row_group.column(i) for i in range(row_group.num_columns))
        stored += sum(c.total_uncompressed_size for c in columns if c.path_in_schema in wanted)
    values: int = metadata.num_rows * len(wanted)
    return stored + 8 * values + facts_bytes(metadata.num_rows)


def _is_plain(kind: pa.DataType) -> bool:
    checks = (pat.is_integer, pat.is_floating, pat.is_boolean, pat.is_timestamp, pat.is_date, pat.is_string)
    return any(check(kind) for check in checks)


def hold(relation: Relation, features: Sequence[FeatureColumn], kinds: pa.Schema) -> tuple[HeldColumn, ...]:
    """Read the feature columns of all files of a relation."""
    names = list(dict.fromkeys(feature.source for feature in features))
    if not names:
        return ()
    texts = [feature.source for feature, field in zip(features, kinds, strict=True) if pat.is_string(field.type)]
    # Without `partitioning=None` pyarrow adds columns that it reads off the folders' names.
    tables = [
        pq.read_table(file, columns=names, read_dictionary=texts, partitioning=None) for file in relation.files or ()
    ]
    table = pa.concat_tables(tables)
    if texts:
        table = table.unify_dictionaries()
    return tuple(
        HeldColumn(_one_array(table[feature.source]), field.type)
        for feature, field in zip(features, kinds, strict=True)
    )


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
