import logging

import pytest

from likewise.serving import rolling_reload
from likewise.serving.rolling_reload import RollingReload


class Fleet:
    """Workers that a test makes ready and lets die."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.told_to_end: list[int] = []
        self.ready: set[int] = set()
        self.reload = RollingReload(self._start, self.told_to_end.append)

    def _start(self) -> int:
        self.started.append(100 + len(self.started))
        return self.started[-1]

    def step(self) -> None:
        """Let it do what it can do now."""
        self.reload.step(self.ready.__contains__)


def test_a_worker_leaves_only_when_its_successor_is_ready() -> None:
    """One extra worker at a time; the next replacement waits for the last one's end."""
    fleet = Fleet()
    fleet.reload.begin([1, 2])
    for _ in range(3):
        fleet.step()
    assert (fleet.started, fleet.told_to_end, fleet.reload.extra) == ([100], [], 1)
    fleet.ready.add(100)
    for _ in range(3):
        fleet.step()
    assert (fleet.started, fleet.told_to_end, fleet.reload.extra) == ([100], [1], 1)
    assert fleet.reload.note_end(1)
    fleet.step()
    assert fleet.started == [100, 101]
    fleet.ready.add(101)
    fleet.step()
    assert fleet.told_to_end == [1, 2]
    assert fleet.reload.note_end(2)
    fleet.step()
    assert (fleet.started, fleet.reload.extra) == ([100, 101], 0)


def test_a_successor_that_dies_ends_the_reload(caplog: pytest.LogCaptureFixture) -> None:
    """The workers that served before go on, and it is not called done."""
    caplog.set_level(logging.INFO)
    fleet = Fleet()
    fleet.reload.begin([1, 2])
    fleet.step()
    assert fleet.reload.note_end(100)
    fleet.step()
    assert (fleet.started, fleet.told_to_end, fleet.reload.extra) == ([100], [], 0)
    assert "given up" in caplog.text
    assert "done" not in caplog.text


def test_a_successor_that_is_never_ready_ends_the_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is told to end itself, and nothing is replaced."""
    monkeypatch.setattr(rolling_reload, "READY_SECONDS", -1.0)
    fleet = Fleet()
    fleet.reload.begin([1])
    fleet.step()
    fleet.step()
    assert (fleet.told_to_end, fleet.reload.extra) == ([100], 1)
    assert fleet.reload.note_end(100)
    fleet.step()
    assert (fleet.started, fleet.reload.extra) == ([100], 0)


def test_workers_that_die_meanwhile_need_no_replacement() -> None:
    """One that dies by itself is not the reload's doing, and what was to replace it simply stays."""
    fleet = Fleet()
    fleet.reload.begin([1])
    fleet.step()
    assert not fleet.reload.note_end(1)
    fleet.ready.add(100)
    fleet.step()
    assert (fleet.told_to_end, fleet.reload.extra) == ([], 0)


def test_a_second_wish_replaces_those_that_came_by_the_first() -> None:
    """A reload asked for again while one is under way starts over, with one extra worker still."""
    fleet = Fleet()
    fleet.reload.begin([1, 2])
    fleet.step()
    fleet.ready.add(100)
    fleet.step()
    fleet.reload.begin([1, 2, 100])
    assert fleet.reload.extra == 1
    assert fleet.reload.note_end(1)
    for pid in (101, 102):
        fleet.step()
        fleet.ready.add(pid)
        fleet.step()
        assert fleet.reload.note_end(fleet.told_to_end[-1])
    assert fleet.told_to_end == [1, 2, 100]
