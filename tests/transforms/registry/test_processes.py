import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from likewise.transforms.registry import Registry, check_registry
from tests.transforms.registry.conftest import OpenRegistry
from tests.transforms.registry.fakes import FakeTransform

ROOT = Path(__file__).resolve().parents[3]


def start(action: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.transforms.registry.processes", action, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> str:
    printed, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    return printed


@pytest.mark.slow
def test_processes_that_publish_at_once_share_no_version(
    database_url: str, open_registry: OpenRegistry, tmp_path: Path
) -> None:
    """Four processes that create one registry and publish at once get versions of their own, none is left out."""
    count, each = 4, 6
    go = tmp_path / "go"
    # Two neighbours publish half the same transforms: those share a version, as the same content must.
    processes = [
        start("publish", database_url, tmp_path / "blobs", go, number * each // 2, each) for number in range(count)
    ]
    go.touch()
    rows = [json.loads(line) for process in processes for line in finish(process).splitlines()]
    by_state = {state: (transform, release) for state, transform, release in rows}
    assert all(by_state[state] == (transform, release) for state, transform, release in rows)
    assert sorted(t for t, _ in by_state.values()) == list(range(1, len(by_state) + 1))
    assert sorted(r for _, r in by_state.values()) == list(range(1, len(by_state) + 1))
    assert list(check_registry(open_registry())) == []
    moves = open_registry().alias_log("flight_delay")
    assert [move.from_version for move in moves[1:]] == [move.to_version for move in moves[:-1]]


def died(url: str, blobs: str, points: int) -> dict[str, object]:
    return dict(json.loads(finish(start("die", url, blobs, points))))


@pytest.mark.slow
def test_killed_anywhere_it_stays_whole(tmp_path: Path) -> None:
    """A publisher killed with SIGKILL at any of 24 lines leaves a whole registry, and publishing again completes it."""
    result = died(f"sqlite:///{tmp_path}/{{}}/registry.db", f"{tmp_path}/{{}}/blobs", 24)
    assert result["findings"] == []
    assert result["deaths"] == 24


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_killed_anywhere_postgresql_stays_whole(database_url: str, tmp_path: Path) -> None:
    """The same on PostgreSQL, each death in a schema of its own."""
    result = died(f"{database_url}&options=-csearch_path%3Dpoint_{{}}", f"{tmp_path}/{{}}/blobs", 6)
    assert result["findings"] == []


@pytest.mark.prove
def test_killed_at_every_line_it_stays_whole(tmp_path: Path) -> None:
    """A publisher killed at the first and last execution of every line leaves a whole registry."""
    result = died(f"sqlite:///{tmp_path}/{{}}/registry.db", f"{tmp_path}/{{}}/blobs", 0)
    assert result["findings"] == []
    assert result["deaths"] > result["lines"]


@pytest.mark.slow
def test_a_backup_taken_while_others_publish_is_whole(tmp_path: Path) -> None:
    """Database first, then blobs, as docs/registry.md says: the copy is whole although a publisher went on."""
    url = f"sqlite:///{tmp_path}/registry.db"
    Registry(url, tmp_path / "blobs", open_transform=FakeTransform.from_bytes).publish(FakeTransform(state=99))
    go, backup = tmp_path / "go", tmp_path / "backup"
    go.touch()
    publisher = start("publish", url, tmp_path / "blobs", go, 0, 12)
    assert publisher.stdout is not None
    publisher.stdout.readline()  # it is in the midst of it
    backup.mkdir()
    source, copy = sqlite3.connect(tmp_path / "registry.db"), sqlite3.connect(backup / "registry.db")
    source.backup(copy)
    source.close()
    copy.close()
    shutil.copytree(tmp_path / "blobs" / "sha256", backup / "blobs" / "sha256")
    finish(publisher)
    restored = Registry(f"sqlite:///{backup}/registry.db", open_transform=FakeTransform.from_bytes)
    assert list(check_registry(restored)) == []
    assert len(restored.transforms()) >= 1
