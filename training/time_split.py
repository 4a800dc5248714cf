"""Train, validate and test parts cut by time, as a recipe declares them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from .errors import RecipeFieldError


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Cut points in time. A date includes its whole day in UTC; an instant with a zone is itself excluded.

    Examples
    --------
    >>> split = TimeSplit("2013-09-30", "2013-10-31", "2013-11-30")
    >>> split.boundaries().train_until.isoformat()
    '2013-10-01T00:00:00+00:00'
    """

    train_until: str
    validate_until: str
    test_until: str
    train_from: str | None = None

    def __post_init__(self) -> None:
        found = self.boundaries()
        ends = [found.train_until, found.validate_until, found.test_until]
        starts = ends if found.train_from is None else [found.train_from, *ends]
        if any(earlier >= later for earlier, later in pairwise(starts)):
            got = " / ".join(start.isoformat() for start in starts)
            raise RecipeFieldError("split", "instants that rise from train to validate to test", got)

    def boundaries(self) -> Boundaries:
        """Return the cut points as instants: each part ends just before its boundary."""
        return Boundaries(
            None if self.train_from is None else _instant("train_from", self.train_from, days=0),
            _instant("train_until", self.train_until, days=1),
            _instant("validate_until", self.validate_until, days=1),
            _instant("test_until", self.test_until, days=1),
        )


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Cut points as zone-aware instants: `train_from` is included (None: no limit), the others are not."""

    train_from: datetime | None
    train_until: datetime
    validate_until: datetime
    test_until: datetime


def _instant(field: str, text: str, days: int) -> datetime:
    expected = "a date (2013-09-30) or an instant with its zone (2013-09-30T12:00:00+00:00)"
    try:
        if len(text) == len("2013-09-30"):
            midnight = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return midnight + timedelta(days=days)
        instant = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise RecipeFieldError(f"split.{field}", expected, text) from None
    if instant.tzinfo is None:
        raise RecipeFieldError(f"split.{field}", expected, text)
    return instant.astimezone(UTC)
