"""How long the end of a worker may take: whatever writes out its last records shares what is left."""

import time

# What a worker may take to end beyond the requests under way; then its parent kills it.
CLOSING_SECONDS = 5.0
# Of that, for what comes after the last records: metrics for the other workers, connections, the process itself.
LAST_SECONDS = 1.0


class Ending:
    """Tells what is left of the time to end.

    Parameters
    ----------
    drain_seconds
        How long requests under way may take.
    """

    def __init__(self, drain_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._gone_by: float | None = None

    def begin(self) -> None:
        """Take note that the process was told to end."""
        if self._gone_by is None:
            self._gone_by = time.monotonic() + self._drain_seconds + CLOSING_SECONDS

    def seconds_left(self) -> float:
        """Return what writing the last records may take, seconds; requests that ended early leave more."""
        now = time.monotonic()
        gone_by = now + CLOSING_SECONDS if self._gone_by is None else self._gone_by
        return max(0.0, gone_by - now - LAST_SECONDS)
