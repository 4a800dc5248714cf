"""The registry's database: SQLite or PostgreSQL by URL, read transactions, and write transactions one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from .errors import RegistryMissingError, RegistryNewerError, RegistryUnavailableError, RegistryUrlError
from .migrations import NEWEST, REVISIONS, current_revision, upgrade

WAIT_SECONDS = 30  # how long a writer waits for the others; a write takes milliseconds
_LOCK_KEY = 0x6C696B6577697365  # "likewise": PostgreSQL's advisory lock of all registry writes in a database
_WRITING = "likewise_writing"


class Database:
    """A migrated database and its two ways in.

    Parameters
    ----------
    url
        `sqlite:///path/registry.db`, or a PostgreSQL URL.
    create
        Whether to make it when it is not there; otherwise that is an error. An older one is migrated in any case.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        given = _parse(url)
        self.shown = given.render_as_string(hide_password=True)
        self._url = _anchored(given)
        self._engine = _engine(self._url)
        self._is_there = False
        self._prepare(create=create)
        self._is_there = True

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database; None for a server."""
        return _sqlite_file(self._url)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that sees one state of the registry."""
        with self._failures_named(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open the only write transaction there is; it commits at the end, or leaves no trace."""
        with self._failures_named(), self._engine.connect() as bare:
            connection = bare.execution_options(**{_WRITING: True})
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
                yield connection

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        # SQLite would make an empty file, and a process that merely reads would stand in for a volume that is away.
        if self._is_there and self.file is not None and not self.file.exists():
            raise RegistryUnavailableError(self.shown, "its file is gone")
        try:
            yield
        except DBAPIError as error:
            raise RegistryUnavailableError(self.shown, " ".join(str(error.orig).split())) from error

    def _prepare(self, *, create: bool) -> None:
        if self.file is not None and not self.file.exists():
            if not create:
                raise RegistryMissingError(self.shown)
            _make_folder(self.file.parent, self.shown)
        with self.read() as connection:
            revision = self._known(current_revision(connection))
        if revision == NEWEST:
            return
        if revision is None and not create:
            raise RegistryMissingError(self.shown)
        with self.write() as connection:
            revision = self._known(current_revision(connection))  # another process may have been faster
            if revision != NEWEST:
                upgrade(connection, revision)

    def _known(self, revision: str | None) -> str | None:
        if revision is not None and revision not in REVISIONS:
            raise RegistryNewerError(self.shown, revision, list(REVISIONS))
        return revision


def _parse(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError) as error:
        raise RegistryUrlError(text, "it is not a URL") from error
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise RegistryUrlError(url.render_as_string(), f"{url.get_backend_name()!r} is neither SQLite nor PostgreSQL")
    if url.get_backend_name() == "sqlite" and _sqlite_file(url) is None:
        raise RegistryUrlError(text, "a SQLite registry needs a file")
    return url


def _sqlite_file(url: sa.URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _anchored(url: sa.URL) -> sa.URL:
    # A relative path means the folder the process is in now, wherever it goes later.
    file = _sqlite_file(url)
    return url if file is None else url.set(database=str(file.absolute()))


def _make_folder(folder: Path, shown: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryUnavailableError(shown, str(error)) from error


def _engine(url: sa.URL) -> sa.Engine:
    # No pool: a registry is asked seldom, and connections kept open would be shared by forked workers.
    arguments = {"timeout": WAIT_SECONDS} if _sqlite_file(url) else {"connect_timeout": 10}
    try:
        engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise RegistryUrlError(url.render_as_string(), f"{error} (install likewise[postgres])") from error
    if _sqlite_file(url):
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # Python's sqlite3 would begin transactions by itself, late and never IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    _patiently(lambda: cursor.execute("PRAGMA journal_mode=WAL"), connection)
    cursor.execute("PRAGMA synchronous=FULL")  # in WAL the default may lose the last commits in a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # IMMEDIATE takes the write lock first: a version counted after it can't be taken by another writer.
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _patiently(change: Callable[[], object], connection: Any) -> None:
    # Switching a new file to WAL does not wait for other processes by itself.
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            change()
        except connection.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
