"""One run at a time in one home: runs share folders for history, records and parity."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from likewise.cli.errors import HomeBusyError

LOCK = "run.lock"


@contextmanager
def exclusive(home: Path, command: str) -> Iterator[None]:
    """Hold the home's lock while the block runs; the lock ends with the process, however that ends.

    Parameters
    ----------
    home
        `LIKEWISE_HOME`; made if it is not there.
    command
        What a second run is told of this one.

    Raises
    ------
    HomeBusyError
        Another run holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise HomeBusyError(home, file.read().strip()) from None
        file.truncate(0)
        file.write(f"`likewise {command}`, process {os.getpid()}\n")
        file.flush()
        yield
