"""Bars with rows per second on a terminal; silence elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

VARIABLE = "LIKEWISE_PROGRESS"
Advance = Callable[[int], None]


class RowsColumn(ProgressColumn):
    """Rows done, of how many; nothing before the first, and where rows are not what is counted."""

    def render(self, task: Task) -> Text:
        """Return the rows as text, of one width throughout."""
        if task.total is None:
            return Text(f"{task.completed:,.0f} rows" if task.completed else "")
        total = f"{task.total:,.0f}"
        return Text(f"{task.completed:{len(total)},.0f} of {total} rows")


class RateColumn(ProgressColumn):
    """Rows per second since the bar began: rows come in bursts, of which each has a rate of its own."""

    def render(self, task: Task) -> Text:
        """Return the rate as text, of one width throughout."""
        elapsed = task.finished_time if task.finished else task.elapsed
        rate = f"{task.completed / elapsed:,.0f} rows/s" if task.completed and elapsed else ""
        return Text(f"{rate:>16}", style="dim")


@dataclass(frozen=True, slots=True)
class Bars:
    """One line per piece of work."""

    progress: Progress

    def add(self, name: str, rows: int | None) -> Advance:
        """Start a line; return what moves it on by a number of rows."""
        task = self.progress.add_task(name, total=rows)
        return lambda done: self.progress.advance(task, done)

    @contextmanager
    def waiting(self, name: str) -> Iterator[None]:
        """Show a line without an end while the block runs."""
        task = self.progress.add_task(name, total=None)
        try:
            yield
        finally:
            self.progress.remove_task(task)


@contextmanager
def bars(*, wanted: bool | None) -> Iterator[Bars]:
    """Show bars while the block runs.

    Parameters
    ----------
    wanted
        None: when standard error is a terminal and `LIKEWISE_PROGRESS` is not `off`. A program that draws bars of
        its own sets that, as two of them garble each other.
    """
    console = Console(stderr=True)
    shown = (console.is_terminal and os.environ.get(VARIABLE) != "off") if wanted is None else wanted
    columns = (
        TextColumn("{task.description}"),
        BarColumn(30),
        RowsColumn(),
        RateColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not shown, transient=True) as progress:
        yield Bars(progress)
