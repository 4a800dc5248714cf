"""Feature columns of a source held in memory, to be picked from by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from likewise.stores.asof_sorted import facts_bytes
from likewise.stores.asof_source import Relation
from likewise.stores.asof_view import FeatureColumn

# Arrow counts the bytes of one array of texts in 32 bits.
_MOST_TEXT = 2**31 - 2**20


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

    @property
    def longest(self) -> int:
        """Bytes of the longest text; 0 of other columns."""
        return (pc.max(self._lengths()).as_py() or 0) if pat.is_string(self.kind) else 0

    def text_bytes(self, index: pa.Array) -> int:
        """Return how many bytes the texts of a pick have together; 0 of other columns."""
        if not pat.is_string(self.kind):
            return 0
        picked = self.values.take(index)
        lengths = self._lengths()
        return (
            pc.sum(lengths.take(picked.indices) if pat.is_dictionary(picked.type) else lengths.take(index)).as_py() or 0
        )

    def _lengths(self) -> pa.Array:
        texts = self.values.dictionary if pat.is_dictionary(self.values.type) else self.values
        return pc.binary_length(texts).cast(pa.int64())


def needed_bytes(relation: Relation, features: Sequence[FeatureColumn], kinds: pa.Schema) -> int | None:
    """Return about how many bytes `hold` and the sort of the facts would take; None when it cannot hold these columns.

    It cannot where columns come from elsewhere than the files (partition folders, staged sources), where files
    differ, where types are nested, or where the texts of a column are more than one array holds.
    """
    if relation.files is None or not all(_is_plain(field.type) for field in kinds):
        return None
    wanted = {feature.source for feature in features}
    total, seen, stored = 0, None, Counter[str]()
    for file in relation.files:
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        types = [schema.field(name).type if name in schema.names else None for name in sorted(wanted)]
        if None in types or (seen is not None and types != seen):
            return None
        seen = types
        total += _size(metadata, wanted)
        stored.update(_stored(metadata, wanted))
    texts = [feature.source for feature, field in zip(features, kinds, strict=True) if pat.is_string(field.type)]
    return None if any(stored[name] > _MOST_TEXT for name in texts) else total


def stored_row_bytes(relation: Relation, features: Sequence[FeatureColumn]) -> int:
    """Return how many bytes the features of a row take in the files, before compression; 0 where there are none."""
    wanted, rows, stored = {feature.source for feature in features}, 0, 0
    for file in relation.files or ():
        metadata = pq.read_metadata(file)
        rows += metadata.num_rows
        stored += _stored(metadata, wanted).total()
    return stored // max(1, rows)


def _size(metadata: pq.FileMetaData, wanted: set[str]) -> int:
    """Return decoded bytes of fixed-width columns at 8 a value, and of texts as stored, with their codes."""
    values: int = metadata.num_rows * len(wanted)
    return _stored(metadata, wanted).total() + 8 * values + facts_bytes(metadata.num_rows)


def _stored(metadata: pq.FileMetaData, wanted: set[str]) -> Counter[str]:
    """Return the uncompressed bytes of columns, nested ones under the name of the whole."""
    stored = Counter[str]()
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in (row_group.column(i) for i in range(row_group.num_columns)):
            path = column.path_in_schema
            name = path if path in wanted else path.split(".", 1)[0]
            if name in wanted:
                stored[name] += column.total_uncompressed_size
    return stored


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
