"""A DuckDB connection for one retrieval: bounded memory, a spill folder of its own, UTC throughout."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from likewise.stores.errors import OfflineQueryError, SpillFolderError

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a retrieval may use of the machine.

    Parameters
    ----------
    memory_limit
        DuckDB's form, such as `2GB`; None leaves DuckDB's default (80 % of the machine).
    threads
        Worker threads; None means one per core.
    spill_directory
        Where intermediate results go that exceed the limit; None means the system's temporary folder.
    repository
        Folder of `feature_store.yaml`; relative paths start there.
    batch_rows
        Rows of a record batch handed out.
    progress
        Show bars; None: when standard error is a terminal.
    held_share
        The part of DuckDB's memory limit that feature columns held beside it may take, from 0 to 1.
    chunk_rows
        Entity rows joined at a time; None: as many as fit in a quarter of the memory limit.
    """

    memory_limit: str | None = None
    threads: int | None = None
    spill_directory: Path | None = None
    repository: Path = Path()
    batch_rows: int = 65_536
    progress: bool | None = None
    held_share: float = 0.25
    chunk_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One retrieval's connection, its spill folder and its settings."""

    connection: duckdb.DuckDBPyConnection
    spill: Path
    settings: SessionSettings

    def run(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Execute a statement."""
        return self.connection.execute(sql)

    def memory_bytes(self) -> int:
        """Return DuckDB's memory limit."""
        number, unit = str(self.run("SELECT current_setting('memory_limit')").fetchall()[0][0]).split()
        return int(float(number) * _UNITS[unit])

    def threads(self) -> int:
        """Return how many threads may work."""
        return int(self.run("SELECT current_setting('threads')").fetchall()[0][0])

    def types(self, relation: str) -> dict[str, str]:
        """Return DuckDB type by column of what a FROM clause names."""
        # Names come quoted and texts escaped: `relation` is ours.
        described = self.run(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608
        return {str(row[0]): str(row[1]) for row in described}


@contextmanager
def open_session(settings: SessionSettings) -> Iterator[Session]:
    """Open a connection and remove its spill folder afterwards.

    Raises
    ------
    OfflineQueryError
        DuckDB failed in a query.
    SpillFolderError
        The spill folder cannot be made or written.
    """
    spill = _spill_folder(settings.spill_directory)
    try:
        with _connect(settings, spill) as connection:
            yield Session(connection, spill, settings)
    except duckdb.Error as error:
        raise OfflineQueryError(str(error)) from error
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _spill_folder(parent: Path | None) -> Path:
    try:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="likewise-spill-", dir=parent))
    except OSError as error:
        raise SpillFolderError(str(parent or tempfile.gettempdir()), str(error)) from error


def _connect(settings: SessionSettings, spill: Path) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(spill),
        # Nothing is downloaded at run time; what DuckDB cannot read itself goes through pyarrow.
        "autoinstall_known_extensions": False,
        # Order is restored by a row id where it matters, so DuckDB need not buffer to keep it.
        "preserve_insertion_order": False,
        "file_search_path": str(settings.repository.resolve()),
    }
    if settings.memory_limit:
        config["memory_limit"] = settings.memory_limit
    if settings.threads:
        config["threads"] = settings.threads
    connection = duckdb.connect(config=config)
    # A naive text or timestamp means UTC, whatever the machine's zone.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quoted(name: str) -> str:
    """Return an identifier as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
