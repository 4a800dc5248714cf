"""What a Feast repository says, asked once for all workers of a server.

Who sees a change first asks, which takes 5 s of Feast's imports; the others wait for the answer, on the thread that
looks after definitions, and take it. No request waits for either.
"""

import fcntl
import json
import logging
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from likewise.serving.registry_file import RegistryFile
from likewise.serving.resolution import (
    Resolution,
    error_from_json,
    error_to_json,
    resolution_from_json,
    resolution_to_json,
)
from likewise.transforms.errors import LikewiseError

logger = logging.getLogger(__name__)

Ask = Callable[[Collection[str]], Resolution]


class SharedAnswers:
    """The last answer, in a file without a name: the workers inherit it, nobody else can open it, it ends with them.

    Locks on it are the kernel's, so a worker that is killed while it asks holds up nobody.
    """

    def __init__(self) -> None:
        self._file = _nameless_file()
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()  # the kernel's tells processes apart, not threads

    def answer(self, services: Collection[str], ask: Ask) -> Resolution:
        """Return what the repository says of services, asked only if no worker has had that answer.

        Parameters
        ----------
        services
            What the resolution must say something of.
        ask
            Asks the repository.

        Raises
        ------
        LikewiseError
            Asking failed: here, or in another worker while this one waited for it.
        """
        came = time.monotonic()
        with self._alone():
            held = self._held()
            others = held.get("services", [])
            if set(services) <= set(others):
                if "error" in held and held["asked"] >= came:
                    raise error_from_json(held["error"])
                if "resolution" in held:
                    known = resolution_from_json(held["resolution"])
                    if RegistryFile(Path(known.registry_file), known.registry_digest).is_unchanged():
                        return known
            return self._asked(sorted({*services, *others}), ask)

    def _asked(self, services: Collection[str], ask: Ask) -> Resolution:
        started = time.monotonic()
        try:
            resolution = ask(services)
        except LikewiseError as error:
            self._keep({"services": services, "asked": time.monotonic(), "error": error_to_json(error)})
            raise
        self.keep(resolution)
        seconds = time.monotonic() - started
        logger.info("the Feast repository was asked again, for every worker: it took %.1f s", seconds)
        return resolution

    def keep(self, resolution: Resolution) -> None:
        """Let workers know what the repository said."""
        self._keep({"services": [*resolution.services], "resolution": resolution_to_json(resolution)})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _held(self) -> dict[str, Any]:
        self._file.seek(0)
        try:
            held: dict[str, Any] = json.loads(self._file.read())
        except ValueError:  # nothing yet, or a part: its writer was killed
            return {}
        return held

    def _keep(self, held: dict[str, Any]) -> None:
        content = memoryview(json.dumps(held, default=str).encode())
        try:
            self._file.seek(0)
            self._file.truncate()
            while content:
                content = content[self._file.write(content) :]
        except OSError as error:
            logger.warning("each worker asks the Feast repository for itself: %s", error)


def _nameless_file() -> IO[bytes]:
    """Return a file in memory, where there are such: it holds the store's password, and no folder may be writable."""
    if hasattr(os, "memfd_create"):  # Linux
        return os.fdopen(os.memfd_create("likewise-answers"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
