"""Exporters of the kinds of categories: the tables of `docs/kinds/categorical.md` over blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from likewise.models.exports.algebra import Block, Refusal
from likewise.models.exports.columns import CrossedColumn, ExportColumn, GroupedColumn, NumberColumn
from likewise.models.exports.cross_text import is_ambiguous
from likewise.models.exports.exporter import Target
from likewise.models.exports.number_exporters import refusing_missing
from likewise.transforms.codes import CodePlan, label_of
from likewise.transforms.kind import Field, FittedKind
from likewise.transforms.kinds.count_encoder import FittedCountEncoder
from likewise.transforms.kinds.feature_cross import FittedFeatureCross
from likewise.transforms.kinds.feature_hasher import FittedFeatureHasher
from likewise.transforms.kinds.group_scaler import FittedGroupScaler
from likewise.transforms.kinds.one_hot_encoder import FittedOneHotEncoder
from likewise.transforms.kinds.rare_grouper import FittedRareGrouper
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.murmur import bucket_and_sign
from likewise.transforms.steps import FittedSteps
from likewise.transforms.vocabulary import MISSING, UNSEEN

Columns = tuple[ExportColumn, ...]


def refused(block: Block, places: Block, plan: CodePlan) -> Block:
    """Return a block of what stands at some places; missing and unseen ones refused where the plan says so."""
    size = len(plan.of_place) - 2
    for place, what, after in ((MISSING, "a missing value", size + 1), (UNSEEN, "a value the fit never saw", size)):
        if plan.of_place[place] < 0:
            block = block.algebra.refuse(block, places.equals(after), Refusal(plan.field.source, plan.kind, what))
    return block


def ordinal_encoder(kind: Any, values: Columns) -> Block:
    """Export the codes of the vocabulary, of missing and of unseen values (LabelEncoder too)."""
    codes = []
    for column, vocabulary, plan in zip(values, kind.vocabularies, kind.plans, strict=True):
        places = column.places(vocabulary.values)
        codes.append(refused(places.algebra.pick(plan.of_place, places), places, plan))
    return codes[0].algebra.join(codes)


def one_hot_encoder(kind: FittedOneHotEncoder, values: Columns) -> Block:
    """Export a column a category."""
    parts = []
    for column, vocabulary, layout in zip(values, kind.vocabularies, kind.layouts, strict=True):
        places = column.places(vocabulary.values)
        hot = places.algebra.one_hot(places.algebra.pick(layout.column, places), len(layout.labels))
        parts.append(refused(hot, places, layout.plan))
    return parts[0].algebra.join(parts)


def count_encoder(kind: FittedCountEncoder, values: Columns) -> Block:
    """Export the count or share of each category."""
    parts = []
    for column, vocabulary, table, plan in zip(values, kind.vocabularies, kind.tables, kind.plans, strict=True):
        places = column.places(vocabulary.values)
        parts.append(refused(places.algebra.pick(table, places), places, plan))
    return parts[0].algebra.join(parts)


def rare_grouper(kind: FittedRareGrouper, values: Columns) -> Columns:
    """Export the names of the groups; they are never made as text, only looked up by the next step."""
    return tuple(
        GroupedColumn(column, tuple(vocabulary.values), kind.kind.group)
        for column, vocabulary in zip(values, kind.vocabularies, strict=True)
    )


def why_not_grouped(steps: FittedSteps, at: int, target: Target) -> str | None:  # noqa: ARG001
    """Return why a RareGrouper can't be exported: its policy of unseen values belongs to a text that is never made."""
    if steps.kinds[at].kind.settings()["unseen"] == "error":
        return "its policy unseen='error' has no place in an export; use unseen='group'"
    return None


def feature_cross(kind: FittedFeatureCross, values: Columns) -> Columns:
    """Export the cross as parts to look up."""
    types = tuple(field.type.value for field in kind.fields)
    return (CrossedColumn(values, types, kind.kind.separator, kind.kind.missing == "keep"),)


def why_not_crossed(steps: FittedSteps, at: int, target: Target) -> str | None:  # noqa: ARG001
    """Return why a FeatureCross can't be exported: when categories behind it can't be taken apart again."""
    kind = steps.kinds[at]
    separator = kind.kind.settings()["separator"]
    types = tuple(field.type.value for field in kind.fields)
    for later in steps.kinds[at + 1 : at + 2]:
        texts = [text for vocabulary in getattr(later, "vocabularies", ()) for text in vocabulary.values]
        unclear = next((text for text in texts if is_ambiguous(text, separator, types)), None)
        if unclear is not None:
            return f"its category {unclear!r} may come from more than one combination of values"
    return None


def feature_hasher(kind: FittedFeatureHasher, values: Columns) -> Block:
    """Export sums of signs at buckets, of columns whose categories are known before."""
    some = values[0].missing()
    algebra = some.algebra
    sums: dict[int, Block] = {}
    for field, column in zip(kind.fields, values, strict=True):
        for bucket, part in _hashed(kind, field, column):
            sums[bucket] = sums[bucket] + part if bucket in sums else part
    zero = algebra.constant(some, 0.0, 1)
    return algebra.join([sums.get(bucket, zero) for bucket in range(kind.kind.n_features)])


def _hashed(kind: FittedFeatureHasher, field: Field, column: ExportColumn) -> list[tuple[int, Block]]:
    """Return what a column adds to each bucket."""
    why = Refusal(field.source, "FeatureHasher", "a missing value")
    missing = column.missing()
    algebra = missing.algebra
    if field.type is LogicalType.NUMBER:
        bucket, sign = _bucket(kind, field.name)
        part = algebra.where(missing, 0.0, column.numbers() * sign)
        return [(bucket, algebra.refuse(part, missing, why) if kind.kind.missing == "error" else part)]
    known = column.categories if field.type is not LogicalType.BOOLEAN else (0.0, 1.0)
    values = known or ()
    places = column.places(values)
    at_bucket: dict[int, np.ndarray[Any, Any]] = {}
    for place, value in enumerate(values):
        bucket, sign = _bucket(kind, f"{field.name}={label_of(value)}")
        at_bucket.setdefault(bucket, np.zeros(len(values) + 2))[place] = sign
    parts = [(bucket, algebra.pick(table, places)) for bucket, table in at_bucket.items()]
    if kind.kind.missing == "error":
        return [(bucket, algebra.refuse(part, missing, why)) for bucket, part in parts]
    return parts


def _bucket(kind: FittedFeatureHasher, text: str) -> tuple[int, float]:
    bucket, sign = bucket_and_sign(text.encode("utf-8", "surrogatepass"), kind.kind.n_features)
    return bucket, sign if kind.kind.alternate_sign else 1.0


def why_not_hashed(steps: FittedSteps, at: int, target: Target) -> str | None:  # noqa: ARG001
    """Return why a FeatureHasher can't be exported: any text could come, and neither target has MurmurHash3."""
    grouped = at > 0 and isinstance(steps.kinds[at - 1], FittedRareGrouper)
    open_ended = [f.name for f in steps.kinds[at].fields if not f.type.is_numeric and not grouped]
    if not open_ended:
        return None
    return (
        f"neither Keras nor DuckDB has MurmurHash3, and {open_ended[0]!r} may hold any value; "
        "put a RareGrouper before it, or use OneHotEncoder"
    )


def group_scaler(kind: FittedGroupScaler, values: Columns) -> Block:
    """Export (x - mean of its group) / deviation of its group."""
    places = values[0].places(kind.keys.values)
    algebra = places.algebra
    numbers = refusing_missing(_of_numbers(kind), algebra.join([column.numbers() for column in values[1:]]))
    mean = algebra.join([algebra.pick(table, places) for table in kind.mean])
    scale = algebra.join([algebra.pick(table, places) for table in kind.scale])
    scaled = (numbers - mean) / scale
    if kind.kind.unseen == "error":
        why = Refusal(kind.fields[0].source, "GroupScaler", "a value the fit never saw")
        scaled = algebra.refuse(scaled, places.equals(len(kind.keys)), why)
    return scaled


def _of_numbers(kind: FittedGroupScaler) -> FittedKind:
    return FittedGroupScaler(kind.kind, kind.fields[1:], kind.keys, kind.mean, kind.scale)


def as_columns(values: Any, fields: Any) -> Columns:
    """Return values as columns: numbers and codes as the numbers they are."""
    if isinstance(values, Block):
        numbers = values.algebra.numbers(values)
        return tuple(NumberColumn(numbers[at]) for at in range(len(fields)))
    columns: Columns = values
    return columns
