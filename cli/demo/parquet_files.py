"""Files that appear whole or not at all."""

import hashlib
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 128 * 1024


def write_parquet(table: pa.Table, path: Path) -> tuple[int, str]:
    """Write a table with microsecond instants; return the file's bytes and its digest `sha256:...`."""
    temporary = _beside(path)
    try:
        pq.write_table(table, temporary, compression="zstd", coerce_timestamps="us", row_group_size=ROW_GROUP)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = temporary.stat().st_size
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return size, f"sha256:{digest}"


def write_text(text: str, path: Path) -> None:
    """Write a text file."""
    temporary = _beside(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Return a new file in the folder of `path`: a rename must not cross file systems."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    return Path(name)
