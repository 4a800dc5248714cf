"""What "now" means to the stores: wall time by default, a fixed instant when the past is replayed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from likewise.stores.errors import ClockError

VARIABLE = "LIKEWISE_CLOCK"


class Clock(Protocol):
    """Something that says what time it is."""

    def now(self) -> datetime:
        """Return the present instant, zone-aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class WallClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's time."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still: the instant a replay or a test plays."""

    instant: datetime

    def __post_init__(self) -> None:
        if self.instant.tzinfo is None:
            raise ClockError(self.instant.isoformat())
        object.__setattr__(self, "instant", self.instant.astimezone(UTC))

    def now(self) -> datetime:
        """Return the instant given."""
        return self.instant


def parse_clock(text: str) -> Clock:
    """Return the clock that `text` names.

    Parameters
    ----------
    text
        `wall` (or nothing), or an ISO 8601 instant with its zone, such as `2013-10-15T06:00:00Z`.

    Raises
    ------
    ClockError
        The text is neither, or names no zone.
    """
    if text.strip().lower() in ("", "wall"):
        return WallClock()
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ClockError(text) from error
    return FixedClock(instant)


def clock_from_environment(environ: Mapping[str, str] | None = None) -> Clock:
    """Return the clock named by `LIKEWISE_CLOCK`; wall time when it is not set."""
    # Read anew at each call: Feast makes stores without arguments, and one process may replay several instants.
    return parse_clock((os.environ if environ is None else environ).get(VARIABLE, "wall"))
