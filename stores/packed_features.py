"""Wanted features of a view's answer, and which of their cells are null."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from likewise.stores.packed_cells import readable_as
from likewise.stores.packed_decode import DecodedRows, converted
from likewise.stores.packed_encode import Bits, Cells
from likewise.stores.packed_fetch import ViewBatch
from likewise.stores.packed_schema import FIXED, FieldType


@dataclass(frozen=True, slots=True)
class Wanted:
    """One feature of a request: its name and declared type."""

    name: str
    type: FieldType


def feature_nulls(batch: ViewBatch, wanted: Sequence[Wanted]) -> Bits:
    """Return which cells of the answer are null, (n, f) bool; rows without an answer are null throughout."""
    nulls = np.ones((batch.n, len(wanted)), np.bool_)
    for part in batch.parts:
        rows = slice(None) if part.places is None else part.places
        for at, feature in enumerate(wanted):
            nulls[rows, at] = _null_cells(part.decoded, feature)
    return nulls


def _null_cells(decoded: DecodedRows, feature: Wanted) -> Bits | bool:
    place = decoded.schema.positions.get(feature.name)
    if place is None:
        return True
    stored = decoded.schema.fields[place].type
    missing = decoded.missing(place)
    if stored in FIXED and feature.type in FIXED:
        missing = converted(Cells(decoded.fixed(place), missing), stored, feature.type).missing
    elif not readable_as(stored, feature.type):
        return True
    return False if missing is None else missing
