import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from likewise.transforms.registry.database import Database
from likewise.transforms.registry.errors import RegistryNewerError, RegistryUnavailableError
from likewise.transforms.registry.migrations import NEWEST, REVISIONS, VERSION_TABLE, current_revision, upgrade
from likewise.transforms.registry.tables import metadata, transforms


def test_migrations_arrive_at_the_tables_of_today(database_url: str) -> None:
    """A database taken through every revision has exactly the tables that the queries are written for."""
    with Database(database_url).read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [change for change in compare_metadata(context, metadata) if "alembic_version" not in str(change)]
        assert current_revision(connection) == NEWEST
    assert found == []


def test_every_revision_leads_to_the_next(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of an older revision gets what it lacks, keeps its rows, and is migrated once."""
    Database(database_url)
    newer = {**REVISIONS, "0002_test": lambda op: op.add_column("models", sa.Column("test", sa.Text))}
    monkeypatch.setattr("likewise.transforms.registry.migrations.REVISIONS", newer)
    monkeypatch.setattr("likewise.transforms.registry.migrations.NEWEST", "0002_test")
    database = Database(database_url)
    with database.write() as connection:
        upgrade(connection, NEWEST)
    with database.read() as connection:
        assert current_revision(connection) == "0002_test"
        assert "test" in {column["name"] for column in sa.inspect(connection).get_columns("models")}


def test_a_database_of_a_newer_build_is_left_alone(database_url: str) -> None:
    """A schema this build does not know is refused with what to do."""
    with Database(database_url).write() as connection:
        connection.execute(sa.update(VERSION_TABLE).values(version_num="9999_future"))
    with pytest.raises(RegistryNewerError, match="upgrade this one"):
        Database(database_url)


def test_a_transaction_that_fails_leaves_no_trace(database_url: str) -> None:
    """What a write did before an error is undone."""
    database = Database(database_url)
    row = {"name": "a", "version": 1, "digest": "d", "blob": "b", "size_bytes": 1, "created_by": "x"}

    def fail_halfway() -> None:
        with database.write() as connection:
            connection.execute(sa.insert(transforms).values(**row, created_at=None))

    with pytest.raises(RegistryUnavailableError):
        fail_halfway()
    with database.read() as connection:
        assert connection.execute(sa.select(transforms)).all() == []


def test_sqlite_is_set_up_to_survive_power_cuts_and_neighbours(tmp_path: Path) -> None:
    """The file is in WAL mode, commits reach the disk, and foreign keys hold."""
    with Database(f"sqlite:///{tmp_path}/registry.db").read() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert settings == ["wal", 2]
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_readers_go_on_while_somebody_writes(tmp_path: Path) -> None:
    """An open write transaction, even of a stalled process, holds up no reader."""
    database = Database(f"sqlite:///{tmp_path}/registry.db")
    writer = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with database.read() as connection:
        assert current_revision(connection) == NEWEST
    writer.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Pointing at some other file says so and leaves it as it is."""
    (tmp_path / "notes.txt").write_text("not a database" * 100)
    with pytest.raises(RegistryUnavailableError, match="file is not a database"):
        Database(f"sqlite:///{tmp_path}/notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "not a database" * 100


def test_a_database_that_went_away_is_not_made_anew(tmp_path: Path) -> None:
    """Who follows a registry whose file is gone is told so and leaves nothing in its place; it may come back."""
    file = tmp_path / "registry.db"
    database = Database(f"sqlite:///{file}")
    away = file.rename(tmp_path / "away.db")
    with pytest.raises(RegistryUnavailableError, match="its file is gone"), database.read():
        pass
    with pytest.raises(RegistryUnavailableError, match="its file is gone"), database.write():
        pass
    assert not file.exists()
    away.rename(file)
    with database.read() as connection:
        assert current_revision(connection) == NEWEST
