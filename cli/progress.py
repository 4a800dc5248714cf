"""What a person sees while steps run: one line a step, a bar on whatever reports its progress."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

FILE_WIDTH = 110

Report = Callable[[int, int | None], None]


def terminal() -> Console:
    """Return a console that keeps writing to today's standard output when that is redirected for a library."""
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    return console


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long a step took."""

    name: str
    seconds: float


@dataclass(slots=True)
class StepLog:
    """Prints steps as they run and keeps their times.

    On a terminal a running step has a spinner and, once it reports, a bar; elsewhere it is one line when done.
    """

    console: Console = field(default_factory=terminal)
    times: list[StepTime] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator["RunningStep"]:
        """Show a step while the block runs; the block may set `outcome` and call `report`."""
        started = time.perf_counter()
        with _bar(self.console) as progress:
            running = RunningStep(progress, progress.add_task(name, total=None))
            yield running
        self.note(name, running.outcome, time.perf_counter() - started)

    def note(self, name: str, outcome: str, seconds: float = 0.0) -> None:
        """Print the line of a finished step."""
        self.times.append(StepTime(name, seconds))
        self.console.print(f"[green]✓[/] {name:<22} [dim]{seconds:6.1f} s[/]  {outcome}", soft_wrap=True)


@dataclass(slots=True)
class RunningStep:
    """A step under way.

    Attributes
    ----------
    outcome
        What the finished line says of the result (rich markup).
    """

    progress: Progress
    task: object
    outcome: str = ""

    def report(self, done: int, total: int | None) -> None:
        """Move the bar: `done` units of `total` (None: not known)."""
        self.progress.update(self.task, completed=done, total=total)  # type: ignore[arg-type]  # rich's TaskID is an int

    def part(self, text: str) -> Report:
        """Name the part under way and return its progress function."""
        self.progress.update(self.task, description=text, completed=0, total=None)  # type: ignore[arg-type]
        return self.report


def _bar(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
