"""What kinds do with missing and out-of-range numbers, checked and counted in one place."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from likewise.transforms.counters import Counters, Event
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import Field, Fields, Floats

KeepOrError: TypeAlias = Literal["keep", "error"]
KEEP_OR_ERROR = ("keep", "error")


def check_missing(values: Floats, fields: Fields, kind: str, policy: KeepOrError) -> None:
    """Raise MissingValueError for the first field with a NaN, if that is the policy."""
    if policy == "error":
        held = np.isnan(values).any(axis=1)
        if bool(held.any()):
            raise MissingValueError(fields[int(held.argmax())].source, kind)


def count_where(met: npt.NDArray[np.bool_], fields: Fields, event: Event, tally: Counters | None) -> None:
    """Count an event per field from a (k, n) mask."""
    if tally is not None and bool(met.any()):
        for field, count in zip(fields, np.count_nonzero(met, axis=1).tolist(), strict=True):
            if count:
                tally.add(field.source, event, count)


def indicator_fields(fields: Fields, chosen: npt.NDArray[Any]) -> tuple[Field, ...]:
    """Return the fields of missing indicators for the chosen fields."""
    return tuple(f.renamed(f"{f.name}_missing") for f, c in zip(fields, chosen.tolist(), strict=True) if c)
