"""Registries on SQLite and on PostgreSQL, held to the same promises."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from likewise.transforms.registry import Registry
from tests.transforms.registry.fakes import FakeTransform

SERVER_USER = "postgres"  # PostgreSQL refuses to run as root


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a server: the one LIKEWISE_TEST_POSTGRES names, or a private one on a socket of its own."""
    if given := os.environ.get("LIKEWISE_TEST_POSTGRES"):
        yield given
        return
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is neither installed (Debian: postgresql) nor named by LIKEWISE_TEST_POSTGRES")
    folder = Path(tempfile.mkdtemp(prefix="likewise-postgres-", dir="/tmp"))
    try:
        yield from _run_server(programs, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_server(programs: Path, folder: Path) -> Iterator[str]:
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER, SERVER_USER)
    data, options = folder / "data", f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    _as_server_user(programs / "initdb", "-D", data, "-A", "trust", "-U", "likewise", "-E", "UTF8", "--no-sync")
    _as_server_user(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    try:
        yield f"postgresql://likewise@/postgres?host={folder}"
    finally:
        _as_server_user(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _programs() -> Path | None:
    if os.geteuid() == 0 and SERVER_USER not in {user.pw_name for user in pwd.getpwall()}:
        return None
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    return next(iter(sorted(found, reverse=True)), Path(on_path).resolve().parent if on_path else None)


def _as_server_user(program: Path, *arguments: object) -> None:
    command = [str(program), *map(str, arguments)]
    user = {"user": SERVER_USER, "group": SERVER_USER, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/tmp", **user)  # type: ignore[call-overload]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of an empty database of each sort."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/registry.db"
        return
    server = sa.make_url(request.getfixturevalue("postgres_server")).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    name = f"registry_{tmp_path.name.replace('-', '_').lower()[:30]}_{os.getpid()}_{os.urandom(4).hex()}"
    with admin.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


OpenRegistry = Callable[[], Registry]


@pytest.fixture
def open_registry(database_url: str, tmp_path: Path) -> OpenRegistry:
    """Return what opens the same registry again and again."""
    return lambda: Registry(database_url, tmp_path / "blobs", open_transform=FakeTransform.from_bytes)


@pytest.fixture
def registry(open_registry: OpenRegistry) -> Registry:
    """Return an empty registry."""
    return open_registry()


@pytest.fixture
def sqlite_registry(tmp_path: Path) -> Registry:
    """Return an empty registry on SQLite, where the database is not on trial."""
    return Registry(f"sqlite:///{tmp_path}/r/registry.db", open_transform=FakeTransform.from_bytes)
