"""Exporters of times and lists: the definitions of `docs/kinds/text-and-time.md` over blocks."""

from __future__ import annotations

import math

from likewise.models.exports.algebra import Algebra, Block, Refusal
from likewise.models.exports.columns import ExportColumn, RawList, TimeColumn
from likewise.models.exports.errors import ExportStepError
from likewise.models.exports.exporter import Target
from likewise.models.exports.zone_offsets import FOLD_FROM, FOLD_TICKS, offsets_of
from likewise.transforms.kinds.datetime_features import FittedDatetimeFeatures
from likewise.transforms.kinds.multi_hot_encoder import FittedMultiHotEncoder
from likewise.transforms.kinds.sequence_padder import FittedSequencePadder
from likewise.transforms.local_time import FIRST, LAST
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.steps import FittedSteps

_DAY = 86_400_000_000
# Days from 0000-03-01 to 1970-01-01: with them no day of the years 1 to 9999 is negative.
_TO_1970 = 719_468
_OF_DAY = {
    "hour": (3_600_000_000, 24),
    "minute": (60_000_000, 60),
    "second": (1_000_000, 60),
    "minute_of_day": (60_000_000, 1440),
}


def datetime_features(kind: FittedDatetimeFeatures, values: tuple[ExportColumn, ...]) -> Block:
    """Export the parts of local time."""
    parts = []
    for column, field in zip(values, kind.fields, strict=True):
        if not isinstance(column, TimeColumn):
            raise ExportStepError(f"column {field.source!r}", "a time")
        algebra = column.ticks.algebra
        outside = algebra.either(column.ticks < FIRST, column.ticks > LAST)
        unknown = algebra.either(column.absent, outside)
        local = _local(algebra.where(unknown, 0, column.ticks), kind.kind.zone)
        block = algebra.numbers(_calendar(algebra, local, kind.kind.parts))
        block = algebra.where(unknown, math.nan, block)
        if kind.kind.missing == "error":
            why = Refusal(field.source, "DatetimeFeatures", "a missing value")
            block = algebra.refuse(block, column.absent, why)
        parts.append(block)
    return parts[0].algebra.join(parts)


def _local(ticks: Block, zone: str) -> Block:
    if zone == "UTC":
        return ticks
    algebra, steps = ticks.algebra, offsets_of(zone)
    beyond = algebra.where(ticks < FOLD_FROM, 0, ticks - FOLD_FROM)
    folded = algebra.where(ticks < FOLD_FROM, ticks, algebra.modulo(beyond, FOLD_TICKS) + FOLD_FROM)
    return ticks + algebra.pick(steps.offsets, algebra.count_at_or_below(folded, steps.since))


def _calendar(algebra: Algebra, ticks: Block, names: tuple[str, ...]) -> Block:
    """Return the named parts of local microseconds as integers."""
    shifted = ticks + _TO_1970 * _DAY
    days, rest = algebra.divided(shifted, _DAY), algebra.modulo(shifted, _DAY)
    weekday = algebra.modulo(days + 2, 7)  # 0000-03-01 was a Wednesday; Monday is 0
    date = _date(algebra, days)
    thursday = days - weekday + 3
    parts = {
        "day_of_week": weekday,
        "is_weekend": algebra.integers(algebra.numbers(weekday >= 5)),
        "year": date["year"],
        "month": date["month"],
        "day": date["day"],
        "quarter": algebra.divided(date["month"] + 2, 3),
        "day_of_year": days - _new_year(algebra, date["year"]) + 1,
    }
    if "week" in names:
        of_week = _date(algebra, thursday)["year"]
        parts["week"] = algebra.divided(thursday - _new_year(algebra, of_week), 7) + 1
    for name, (unit, most) in _OF_DAY.items():
        parts[name] = algebra.modulo(algebra.divided(rest, unit), most)
    return algebra.join([parts[name] for name in names])


def _date(algebra: Algebra, days: Block) -> dict[str, Block]:
    """Return year, month and day of days since 0000-03-01.

    Source
    ------
    Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2021), civil_from_days: years that begin in
    March have the leap day last.
    """
    era, of_era = algebra.divided(days, 146_097), algebra.modulo(days, 146_097)
    leaps = algebra.divided(of_era, 36_524) - algebra.divided(of_era, 1_460) - algebra.divided(of_era, 146_096)
    year_of_era = algebra.divided(of_era + leaps, 365)
    before = year_of_era * 365 + algebra.divided(year_of_era, 4) - algebra.divided(year_of_era, 100)
    of_year = of_era - before
    from_march = algebra.divided(of_year * 5 + 2, 153)
    day = of_year - algebra.divided(from_march * 153 + 2, 5) + 1
    month = algebra.where(from_march < 10, from_march + 3, from_march - 9)
    year = year_of_era + era * 400 + algebra.integers(algebra.numbers(month <= 2))
    return {"year": year, "month": month, "day": day}


def _new_year(algebra: Algebra, year: Block) -> Block:
    """Return the days from 0000-03-01 to the first of January of a year."""
    past = year - 1
    leaps = algebra.divided(past, 4) - algebra.divided(past, 100) + algebra.divided(past, 400)
    return past * 365 + leaps + 306


def multi_hot_encoder(kind: FittedMultiHotEncoder, values: tuple[ExportColumn, ...]) -> Block:
    """Export 1 in the column of every category in the list."""
    parts = []
    for column, vocabulary, field in zip(values, kind.vocabularies, kind.fields, strict=True):
        if not isinstance(column, RawList):
            raise ExportStepError(f"column {field.source!r}", "a list")
        algebra = column.absent.algebra
        blocks = [algebra.list_hot(column.handle, vocabulary.values)] if len(vocabulary) else []
        if kind.kind.missing == "category":
            blocks.append(algebra.numbers(column.absent))
        hot = algebra.join(blocks)
        for asked, where, what in (
            (kind.kind.missing, column.absent, "a missing value"),
            (kind.kind.unseen, None, "a value the fit never saw"),
        ):
            if asked == "error":
                mask = algebra.list_has_unseen(column.handle, vocabulary.values) if where is None else where
                hot = algebra.refuse(hot, mask, Refusal(field.source, "MultiHotEncoder", what))
        parts.append(hot)
    return parts[0].algebra.join(parts)


def why_not_multi_hot(steps: FittedSteps, at: int, target: Target) -> str | None:  # noqa: ARG001
    """Return why a MultiHotEncoder can't be exported: items that float64 can't tell apart."""
    for vocabulary in steps.kinds[at].vocabularies:  # type: ignore[attr-defined]
        if vocabulary.type is LogicalType.NUMBER and any(isinstance(v, int) for v in vocabulary.values):
            return "integers beyond 2^53 in lists are told apart by neither target"
    return None


def sequence_padder(kind: FittedSequencePadder, values: tuple[ExportColumn, ...]) -> Block:
    """Export the first or last numbers of a list."""
    parts = []
    for column, field in zip(values, kind.fields, strict=True):
        if not isinstance(column, RawList):
            raise ExportStepError(f"column {field.source!r}", "a list")
        algebra = column.absent.algebra
        block = algebra.list_items(
            column.handle, kind.kind.length, last=kind.kind.keep == "last", fill=float(kind.kind.value)
        )
        if kind.kind.missing == "error":
            why = Refusal(field.source, "SequencePadder", "a missing value")
            block = algebra.refuse(block, column.absent, why)
        parts.append(block)
    return parts[0].algebra.join(parts)
