"""The history: point-in-time training rows in one Parquet file, known by its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import HistoryChangedError

ROW = "likewise_row"
EVENT_TIME = "event_timestamp"
_ROW_GROUP = 65_536


@dataclass(frozen=True, slots=True)
class History:
    """A history file and what it was made of.

    Parameters
    ----------
    path
        Parquet: `likewise_row`, the entity rows' columns, the service's features, in the order of the entity rows.
    fingerprint
        "sha256:..." of the file's bytes.
    rows
        Number of rows.
    feature_service
        Its name.
    features
        Names of the service's features, in the service's order.
    withheld
        Columns that a transform may not see: the label and when it was known, and whatever else of the entity rows
        serving would not have.
    definitions_fingerprint
        Of the feature definitions at the time of retrieval.
    """

    path: Path
    fingerprint: str
    rows: int
    feature_service: str
    features: tuple[str, ...]
    withheld: tuple[str, ...]
    definitions_fingerprint: str

    def verify(self) -> None:
        """Raise `HistoryChangedError` unless the file is byte for byte what retrieval wrote."""
        got = file_fingerprint(self.path) if self.path.is_file() else "no file"
        if got != self.fingerprint:
            raise HistoryChangedError(self.path, self.fingerprint, got)

    def columns(self, names: list[str]) -> pa.Table:
        """Return these columns of all rows."""
        return pq.read_table(self.path, columns=names)

    def inputs(self, positions: np.ndarray[Any, Any]) -> pa.Table:
        """Return what a transform may see of the rows at these positions, in their order, which must be rising."""
        chosen = np.zeros(self.rows, bool)
        chosen[positions] = True
        names = [name for name in pq.read_schema(self.path).names if name not in {ROW, *self.withheld}]
        return self.columns(names).filter(pa.array(chosen))


def write_history(table: pa.Table, path: Path) -> str:
    """Write the rows and return the file's fingerprint; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    pq.write_table(table.replace_schema_metadata(None), unfinished, row_group_size=_ROW_GROUP, compression="zstd")
    unfinished.replace(path)
    return file_fingerprint(path)


def file_fingerprint(path: Path) -> str:
    """Return "sha256:..." of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
