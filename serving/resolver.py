"""Asks a short-lived process with Feast what a repository says, so that this one needs no Feast."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from likewise.serving.errors import FeastUnreadableError
from likewise.serving.resolution import Resolution, error_from_json, resolution_from_json

CHILD = "likewise.serving.resolve_child"
# Nothing that is imported becomes garbage: looking for it takes a second of Feast's five.
_CODE = "import gc; gc.disable(); from {child} import main; main()"
# Importing Feast takes 5 s; ten times that on a machine that is as busy.
PATIENCE_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Question:
    """A question to a Feast repository: asked when made, answered when collected.

    Parameters
    ----------
    repo
        The folder of `feature_store.yaml`.
    services
        Feature services to resolve.
    """

    def __init__(self, repo: Path, services: Iterable[str]) -> None:
        # Spawned, not forked: a worker has threads. `-P`: nothing of the working directory is imported.
        command = [sys.executable, "-P", "-W", "ignore", "-c", _CODE.format(child=CHILD)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._text = json.dumps({"repo": str(repo.resolve()), "services": sorted(services)})
        self._process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]

    def answer(self) -> Resolution:
        """Return what the repository says; waits for it.

        Raises
        ------
        LikewiseError
            What opening the repository raised, as if it had been opened here.
        FeastUnreadableError
            The process ended without an answer, or took too long.
        """
        with self._process as process:
            try:
                said, told = process.communicate(self._text, PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                raise FeastUnreadableError(f"no answer within {PATIENCE_SECONDS:g} s") from None
            finally:
                process.kill()  # does nothing to one that has ended
        if process.returncode or not said:
            lines = told.strip().splitlines() or ["nothing"]
            raise FeastUnreadableError(f"status {process.returncode}: {lines[-1][:500]}")
        logger.debug("reading the Feast repository printed: %s", told)
        value = json.loads(said)
        if "error" in value:
            raise error_from_json(value["error"])
        return resolution_from_json(value["resolution"])
