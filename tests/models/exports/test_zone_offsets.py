from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from likewise.models.exports.zone_offsets import FOLD_FROM, FOLD_TICKS, offsets_of
from likewise.transforms.local_time import FIRST, LAST

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_offsets_are_those_of_the_zone(zone: str) -> None:
    """In the years 1 to 9999, and a microsecond beside every change, the table says what zoneinfo says."""
    steps = offsets_of(zone)
    rng = np.random.default_rng(1)
    beside = np.concatenate([steps.since - 1, steps.since])
    ticks = np.concatenate([rng.integers(FIRST, LAST, 3000), rng.integers(-(10**15), 4 * 10**15, 3000), beside])
    folded = np.where(ticks < FOLD_FROM, ticks, FOLD_FROM + (ticks - FOLD_FROM) % FOLD_TICKS)
    got = steps.offsets[np.searchsorted(steps.since, folded, side="right")]
    assert got.tolist() == [offset(tick, ZoneInfo(zone)) for tick in ticks.tolist()]


def offset(tick: int, zone: ZoneInfo) -> int:
    found = (EPOCH + timedelta(microseconds=tick)).astimezone(zone).utcoffset()
    return (found or timedelta()) // timedelta(microseconds=1)
