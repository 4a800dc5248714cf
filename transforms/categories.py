"""The vocabularies of a kind's columns: learned or given, as arrays and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.category_counts import Category, CategoryCounts
from likewise.transforms.columns import Column, column_from_values
from likewise.transforms.errors import ArtifactError, SettingError
from likewise.transforms.kind import Arrays, Fields, require
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.packed_values import pack, unpack
from likewise.transforms.vocabulary import Vocabulary


def require_categories(kind: str, categories: object) -> None:
    """Raise SettingError unless `categories` is None or a tuple of tuples of distinct values."""
    if categories is None:
        return
    sound = isinstance(categories, tuple) and all(isinstance(c, tuple) for c in categories)
    require(sound, kind, "categories", "a tuple with one tuple a column", categories)
    for chosen in categories:  # type: ignore[attr-defined]
        require(len(set(chosen)) == len(chosen), kind, "categories", "distinct", chosen)


def chosen_categories(
    kind: str, fields: Fields, counts: Sequence[CategoryCounts], given: tuple[tuple[Any, ...], ...] | None
) -> list[list[Category]]:
    """Return the categories of each column: the given ones in their order, else the learned ones sorted."""
    if given is None:
        return [c.sorted() for c in counts]
    if len(given) != len(fields):
        raise SettingError(kind, "categories", f"one tuple for each of {len(fields)} columns", f"{len(given)} tuples")
    return [column_from_values(f.source, c, f.type).objects() for f, c in zip(fields, given, strict=True)]


def pack_vocabularies(fields: Fields, categories: Sequence[Sequence[Category]]) -> Arrays:
    """Return the arrays `vocabulary.0`, `vocabulary.1`, ... of the columns."""
    arrays: dict[str, Any] = {}
    for at, (field, chosen) in enumerate(zip(fields, categories, strict=True)):
        arrays |= pack(f"vocabulary.{at}", field.type, chosen)
    return arrays


def unpack_vocabularies(fields: Fields, arrays: Arrays) -> tuple[Vocabulary, ...]:
    """Return the vocabularies, checked to be distinct."""
    vocabularies = []
    for at, field in enumerate(fields):
        values = unpack(f"vocabulary.{at}", field.type, arrays)
        if len(set(values)) != len(values):
            raise ArtifactError(f"the vocabulary of column {field.source!r} holds a category twice")
        vocabularies.append(Vocabulary(field.type, values))
    return tuple(vocabularies)


def decoded(vocabulary: Vocabulary, codes: npt.NDArray[np.int32]) -> Column:
    """Return the categories of codes; missing for codes beyond the vocabulary."""
    size = len(vocabulary)
    values: list[Any] = [vocabulary.values[c] if 0 <= c < size else None for c in codes.tolist()]
    if vocabulary.type is LogicalType.TIME:
        ticks = np.array([v or 0 for v in values], dtype=np.int64)
        return Column(vocabulary.type, ticks, np.array([v is None for v in values]))
    return column_from_values("inverse", values, vocabulary.type)
