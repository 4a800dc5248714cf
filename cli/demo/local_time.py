"""Airport clocks to UTC: midnight, zones and daylight saving included.

Instants are int64 minutes since 1970 UTC: every time of the data is a whole minute, so sums stay exact.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.errors import FlightTimesError

Minutes = npt.NDArray[np.int64]
MINUTE = pd.Timedelta(minutes=1)
DAY = 24 * 60
ORIGIN_ZONE = "America/New_York"

# airports.csv leaves out four destinations. All keep Atlantic Standard Time the whole year; the IANA time zone
# database has Puerto Rico as America/Puerto_Rico and links America/St_Thomas (Virgin Islands) to it.
MISSING_ZONES = {
    "BQN": "America/Puerto_Rico",  # Aguadilla
    "PSE": "America/Puerto_Rico",  # Ponce
    "SJU": "America/Puerto_Rico",  # San Juan
    "STT": "America/Puerto_Rico",  # Charlotte Amalie, St. Thomas
}


def clock_minutes(hhmm: pd.Series) -> pd.Series:
    """Return minutes since midnight of clock readings such as 517 or 2400."""
    return hhmm // 100 * 60 + hhmm % 100


def to_minutes(instants: pd.Series) -> Minutes:
    """Return zone-aware instants as minutes since 1970 UTC."""
    utc = instants.dt.tz_convert("UTC").dt.tz_localize(None)
    minutes: Minutes = ((utc - pd.Timestamp(0)) // MINUTE).to_numpy(np.int64)
    return minutes


def from_minutes(minutes: Minutes) -> pd.Series:
    """Return minutes since 1970 UTC as zone-aware instants."""
    return pd.Series(pd.to_datetime(minutes * 60, unit="s", utc=True))


def scheduled_departures(dates: pd.Series, minute_of_day: pd.Series) -> Minutes:
    """Return when clocks at the origin show the scheduled departure.

    Raises
    ------
    pytz.AmbiguousTimeError, pytz.NonExistentTimeError
        A departure in an hour that daylight saving repeats or leaves out. 2013 has none.
    """
    local = dates + pd.to_timedelta(minute_of_day, unit="m")
    return to_minutes(local.dt.tz_localize(ORIGIN_ZONE))


def next_showing(after: Minutes, minute_of_day: npt.NDArray[np.int64], zone: str) -> Minutes:
    """Return the first instant after `after` at which clocks in a zone show a minute of the day.

    An hour that daylight saving repeats counts at its first showing, a minute that it leaves out at the end
    of the gap.

    Raises
    ------
    FlightTimesError
        An answer that is not within a day of `after`.
    """
    start = from_minutes(after)
    local = start.dt.tz_convert(zone).dt.tz_localize(None)
    shown = local.dt.normalize() + pd.to_timedelta(minute_of_day, unit="m")
    shown += pd.to_timedelta((shown <= local).astype(int), unit="D")
    first = np.ones(len(shown), bool)
    found = to_minutes(shown.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward"))
    # One hour of slack: the day on which clocks go back has 25.
    wrong = (found <= after) | (found > after + DAY + 60)
    if wrong.any():
        raise FlightTimesError(f"an instant within a day of the departure in {zone}", f"{wrong.sum()} others")
    return found
