"""Bars, as they look on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from likewise.stores import asof_progress
from likewise.stores.asof_progress import bars


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Stand for a terminal of 100 columns on standard error."""
    written = io.StringIO()

    def console(*, stderr: bool) -> Console:
        assert stderr
        return Console(file=written, force_terminal=True, width=100, color_system=None, legacy_windows=False)

    monkeypatch.setattr(asof_progress, "Console", console)
    # The command line switches these bars off for its process.
    monkeypatch.delenv(asof_progress.VARIABLE, raising=False)
    return written


def test_a_bar_says_rows_of_rows_and_a_rate(screen: io.StringIO) -> None:
    """A bar shows what is done of how much with separators, and rows per second once there are any."""
    with bars(wanted=None) as shown:
        advance = shown.add("history", 1_000_000)
        shown.progress.refresh()
        assert "        0 of 1,000,000 rows" in screen.getvalue()
        assert "rows/s" not in screen.getvalue()
        advance(262_144)
        shown.progress.refresh()
        assert "  262,144 of 1,000,000 rows" in screen.getvalue()
        assert "rows/s" in screen.getvalue()


def test_waiting_counts_nothing(screen: io.StringIO) -> None:
    """What has no number of rows shows none, and is gone when it is over."""
    with bars(wanted=None) as shown:
        with shown.waiting("reading weather"):
            shown.progress.refresh()
            assert "reading weather" in screen.getvalue()
            assert "rows" not in screen.getvalue()
            assert "/?" not in screen.getvalue()
        assert shown.progress.tasks == []


@pytest.mark.parametrize(
    ("wanted", "variable", "is_shown"), [(None, "off", False), (True, "off", True), (False, "", False)]
)
def test_bars_can_be_silenced(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, wanted: bool | None, variable: str, is_shown: bool
) -> None:
    """LIKEWISE_PROGRESS=off silences bars that nobody asked for; the setting decides where it is given."""
    monkeypatch.setenv("LIKEWISE_PROGRESS", variable)
    with bars(wanted=wanted) as shown:
        shown.add("history", 10)(5)
        shown.progress.refresh()
    assert bool(screen.getvalue()) is is_shown


def test_silence_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Into a file or a pipe no bar is drawn."""
    with bars(wanted=None) as shown:
        shown.add("history", 10)(5)
    assert capsys.readouterr().err == ""
