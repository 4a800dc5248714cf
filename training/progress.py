"""The port through which steps tell how far they are; the command line draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with how much is done, of how much in all (None: not known)."""

    def __call__(self, done: int, total: int | None) -> None:
        """Take note."""
        ...


def silent(done: int, total: int | None) -> None:
    """Take no note: the progress of steps that nobody watches."""
