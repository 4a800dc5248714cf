from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from likewise.cli.errors import SettingError, TooFewRowsError
from likewise.cli.parity.instants import Sampling, choose

START = datetime(2013, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)


def entities() -> pa.Table:
    times = [START + timedelta(minutes=10 * i) for i in range(30 * 144)]
    return pa.table({"carrier": ["UA"] * len(times), "event_timestamp": pa.array(times, pa.timestamp("us", "UTC"))})


def test_instants_are_spread_over_the_span_and_drawn_alike_every_time() -> None:
    """One instant in each equal part, the same ones for the same seed."""
    sampling = Sampling(START, END, count=15, window=timedelta(hours=2))
    chosen = choose(entities(), sampling)
    assert [one.instant for one in chosen] == [one.instant for one in choose(entities(), sampling)]
    assert len(chosen) == 15
    assert all((one.instant - START) // timedelta(days=2) == part for part, one in enumerate(chosen))


def test_rows_are_asked_for_at_the_instant() -> None:
    """Rows of the window carry the instant as their event time: nothing later may be known of them."""
    for one in choose(entities(), Sampling(START, END, count=5, window=timedelta(hours=2))):
        assert one.rows.num_rows == 12
        assert set(one.rows["event_timestamp"].to_pylist()) == {one.instant}


def test_too_few_rows_are_an_error() -> None:
    """A check over a handful of rows proves nothing and says so."""
    with pytest.raises(
        TooFewRowsError, match="expected at least 3,000 entity rows at 1 instants \\(controls included\\), got 24 at 2"
    ):
        choose(entities(), Sampling(START, END, count=2, window=timedelta(hours=2), least_rows=3000))


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    """Instants that run backwards would show rows of later than their instant."""
    with pytest.raises(SettingError, match="a start before its end"):
        choose(entities(), Sampling(END, START))


def test_too_few_instants_are_an_error() -> None:
    """Instants without any entity row do not count."""
    later = START + timedelta(days=40)
    with pytest.raises(TooFewRowsError, match="at 6 instants"):
        choose(entities(), Sampling(later, later + timedelta(days=1), least_instants=6))
