"""How often the rows of each view reach the online store, as the view's tags declare it.

Tags: `cadence` is a duration (`15m`, `6h`, `1d`) after whose multiples, counted from midnight UTC, a run starts;
`ingest` is `materialize` (the default) or `push:SOURCE`. A view without a `cadence` tag is materialized whenever
the store is brought up to an instant.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from likewise.cli.errors import SettingError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
DURATION = re.compile(r"([1-9][0-9]*)([mhd])\Z")


@dataclass(frozen=True, slots=True)
class Cadence:
    """When rows of a view reach the online store.

    Attributes
    ----------
    every
        Time between two runs; None: a run at any instant asked for.
    push_source
        Push source that brings the rows; None: they are materialized.
    """

    view: str
    every: timedelta | None = None
    push_source: str | None = None

    def last_run(self, instant: datetime) -> datetime:
        """Return the start of the last run that was due by `instant`."""
        if self.every is None:
            return instant
        return instant - (instant - EPOCH) % self.every


def cadence_of(view: str, tags: dict[str, str]) -> Cadence:
    """Return the cadence that a view's tags declare.

    Raises
    ------
    SettingError
        A tag has a form that is not known.
    """
    ingest = tags.get("ingest", "materialize")
    if ingest != "materialize" and not ingest.startswith("push:"):
        raise SettingError(f"tag 'ingest' of view {view!r}", "'materialize' or 'push:SOURCE'", ingest)
    return Cadence(view, _duration(view, tags.get("cadence")), ingest.partition(":")[2] or None)


def _duration(view: str, text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = DURATION.match(text)
    if found is None:
        raise SettingError(f"tag 'cadence' of view {view!r}", "a duration such as 15m, 6h or 1d", text)
    return int(found[1]) * UNITS[found[2]]
