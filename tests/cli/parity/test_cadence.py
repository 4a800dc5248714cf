from datetime import UTC, datetime, timedelta

import pytest

from likewise.cli.errors import SettingError
from likewise.cli.parity.cadence import cadence_of

NOON = datetime(2013, 11, 5, 12, 20, tzinfo=UTC)


def test_runs_start_at_multiples_counted_from_midnight_utc() -> None:
    """The last run due by an instant is the multiple before it, or the instant itself."""
    cadence = cadence_of("weather", {"cadence": "6h"})
    assert cadence.last_run(NOON) == datetime(2013, 11, 5, 12, tzinfo=UTC)
    assert cadence.last_run(NOON - timedelta(minutes=21)) == datetime(2013, 11, 5, 6, tzinfo=UTC)
    assert cadence.last_run(datetime(2013, 11, 5, 12, tzinfo=UTC)) == datetime(2013, 11, 5, 12, tzinfo=UTC)


def test_a_view_without_cadence_runs_whenever_asked() -> None:
    """No tag, no waiting."""
    assert cadence_of("planes", {}).last_run(NOON) == NOON


def test_a_push_names_its_source() -> None:
    """`ingest: push:SOURCE` says which push source brings the rows."""
    assert cadence_of("fresh", {"cadence": "15m", "ingest": "push:delays"}).push_source == "delays"


@pytest.mark.parametrize("tags", [{"cadence": "often"}, {"cadence": "0h"}, {"ingest": "pull"}])
def test_a_tag_of_unknown_form_is_named(tags: dict[str, str]) -> None:
    """The error names the tag, the view, what was expected and what came."""
    with pytest.raises(SettingError, match="of view 'weather': expected"):
        cadence_of("weather", tags)
