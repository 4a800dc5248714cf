"""One resolution for all workers: forked processes that share a file, as workers of a server do."""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from likewise.serving.errors import FeastUnreadableError
from likewise.serving.resolution import Resolution
from likewise.serving.shared_answers import SharedAnswers

WORKERS = 4
FORKS = f"""
import os, sys, time
from pathlib import Path
from likewise.serving.errors import FeastUnreadableError
from likewise.serving.shared_answers import SharedAnswers
from tests.serving.test_shared_answers import resolution_of

folder, answers, first = Path(sys.argv[1]), SharedAnswers(), True

def ask(services):
    with (folder / "asked").open("a") as log:
        log.write(" ".join(services) + chr(10))
    time.sleep(0.5)
    {{what}}
    return resolution_of(folder / "registry.db", services)

for at in range({WORKERS}):
    if os.fork() == 0:
        try:
            said = answers.answer(["a", "b"], ask).registry_digest
        except FeastUnreadableError as error:
            said = str(error)
        with (folder / "said").open("a") as log:
            log.write(said + chr(10))
        os._exit(0)
for _ in range({WORKERS}):
    os.wait()
"""


def resolution_of(file: Path, services: list[str]) -> Resolution:
    """Return what a repository says that has no such service."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    errors = {name: FeastUnreadableError(name) for name in services}
    return Resolution("project", "redis://h:1", "redis", "", str(file), digest, errors)


def in_forks(folder: Path, what: str = "pass") -> tuple[list[str], list[str]]:
    """Have processes want the same answer at once; return what was asked, and what each was told."""
    (folder / "registry.db").write_bytes(b"1")
    code = FORKS.format(what=what)
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)
    said = folder / "said"
    return (folder / "asked").read_text().splitlines(), said.read_text().splitlines() if said.exists() else []


def test_workers_that_want_the_same_answer_ask_once(tmp_path: Path) -> None:
    """Of processes that see a change at the same moment one asks, and all are told the same."""
    asked, said = in_forks(tmp_path)
    assert asked == ["a b"]
    assert said == [hashlib.sha256(b"1").hexdigest()] * WORKERS


def test_a_failure_is_shared_by_those_who_waited(tmp_path: Path) -> None:
    """An asking that fails is not repeated by each worker that waited for it."""
    asked, said = in_forks(tmp_path, "raise FeastUnreadableError('status 1: no such module')")
    assert asked == ["a b"]
    assert len(said) == WORKERS
    assert len(set(said)) == 1
    assert "no such module" in said[0]


def test_a_worker_that_dies_while_it_asks_holds_up_nobody(tmp_path: Path) -> None:
    """When the asking worker is killed, the next one asks."""
    asked, said = in_forks(
        tmp_path, "os.kill(os.getpid(), 9) if len(open(folder / 'asked').readlines()) == 1 else None"
    )
    assert asked == ["a b", "a b"]
    assert len(said) == WORKERS - 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "registry.db"
    path.write_bytes(b"1")
    return path


def test_another_registry_or_another_service_is_asked_for(file: Path) -> None:
    """An answer counts for the registry's content that it is of, and for the services that it tells of."""
    answers, asked = SharedAnswers(), list[list[str]]()

    def ask(services: list[str]) -> Resolution:
        asked.append(services)
        return resolution_of(file, services)

    first = answers.answer(["a"], ask)
    assert answers.answer(["a"], ask).registry_digest == first.registry_digest
    assert asked == [["a"]]
    assert [*answers.answer(["b"], ask).services] == ["a", "b"]  # what others need stays known
    answers.answer(["a"], ask)
    assert asked == [["a"], ["a", "b"]]
    file.write_bytes(b"2")
    assert answers.answer(["a"], ask).registry_digest == hashlib.sha256(b"2").hexdigest()
    assert asked[2:] == [["a", "b"]]


def test_after_a_failure_the_next_look_asks_again(file: Path) -> None:
    """A failure is told to those who waited for it, not for ever."""
    answers = SharedAnswers()

    def fail(_: object) -> Resolution:
        raise FeastUnreadableError("busy")

    with pytest.raises(FeastUnreadableError, match="busy"):
        answers.answer(["a"], fail)
    assert [*answers.answer(["a"], lambda services: resolution_of(file, [*services])).services] == ["a"]


def test_half_an_answer_is_none(file: Path) -> None:
    """What a killed writer left is not taken for an answer."""
    answers = SharedAnswers()
    answers.keep(resolution_of(file, ["a"]))
    answers._file.truncate(40)
    asked: list[object] = []

    def ask(services: list[str]) -> Resolution:
        asked.append(services)
        return replace(resolution_of(file, services), project="asked")

    assert answers.answer(["a"], ask).project == "asked"
    assert asked == [["a"]]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory here")
def test_no_answer_comes_to_a_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer, with the store's password, is kept in memory: where no folder may be written to, servers start too."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    answers = SharedAnswers()
    answers.keep(resolution_of(file, ["a"]))
    assert answers.answer(["a"], lambda _: pytest.fail("asked")).connection_string == "redis://h:1"
