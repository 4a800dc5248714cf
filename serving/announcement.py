"""Says once when the server is ready, and why it is not when that takes long."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from likewise.serving.settings import LogFormat

NOT_READY_AFTER_SECONDS = 30.0
LOOK_SECONDS = 0.1

logger = logging.getLogger(__name__)

Report = Mapping[str, Any]


class Announcement:
    """Tells people, on standard output, what is served where; machines get it as a line of the log.

    Parameters
    ----------
    address
        Where the server listens.
    format_
        With `json` nothing but JSON is written.
    """

    def __init__(self, address: str, format_: LogFormat) -> None:
        self._address, self._format = address, format_
        self._is_told = False

    def tell(self, report: Report) -> None:
        """Tell what a worker reported; of several that are ready, the first."""
        if report.get("status") != "ready":
            self._say(f"Likewise listens on {self._address} but is not ready: {json.dumps(report)}")
        elif not self._is_told:
            self._is_told = True
            answers = [slot["answers_with"] for slot in report["releases"].values()]
            what = f"release {', '.join(answers)}" if answers else "features"
            self._say(f"Likewise serves {what} on {self._address} (try {self._address}/docs)")

    def _say(self, line: str) -> None:
        if self._format == "json":
            logger.info(line, extra={"address": self._address})
            return
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def report_when_ready(look: Callable[[], Report | None], tell: Callable[[Report], None]) -> None:
    """Tell once when a worker is ready, and before that once if it takes long; on a thread of its own.

    Parameters
    ----------
    look
        Returns how ready the worker is; None while it does not listen yet.
    tell
        Takes the reports.
    """
    threading.Thread(target=_keep_looking, args=(look, tell), name="likewise-readiness", daemon=True).start()


def _keep_looking(look: Callable[[], Report | None], tell: Callable[[Report], None]) -> None:
    started, is_late = time.monotonic(), False
    while (report := look()) is None or report["status"] != "ready":
        if report is not None and not is_late and time.monotonic() - started > NOT_READY_AFTER_SECONDS:
            is_late = True
            tell(report)
        time.sleep(LOOK_SECONDS)
    tell(report)
