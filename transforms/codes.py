"""Codes of categories and bins: which follow the vocabulary, and their one-hot form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError, UnseenValueError
from likewise.transforms.kind import Field, Floats
from likewise.transforms.vocabulary import MISSING, UNSEEN

MissingPolicy: TypeAlias = Literal["category", "oov", "error"]
UnseenPolicy: TypeAlias = Literal["oov", "error"]


@dataclass(frozen=True, slots=True)
class CodePlan:
    """The codes of one column: vocabulary from 0, then missing, then oov, where asked for.

    `of_place` is the (V + 2,) int32 table from a vocabulary place to its code; places MISSING and
    UNSEEN are negative, so they index it from its end. A code of -1 is refused by policy.
    """

    field: Field
    kind: str
    cardinality: int
    of_place: npt.NDArray[np.int32]

    @classmethod
    def of(cls, field: Field, kind: str, size: int, missing: MissingPolicy, unseen: UnseenPolicy) -> CodePlan:
        """Return the plan for a vocabulary of `size` categories."""
        table = np.arange(size + 2, dtype=np.int32)
        after = size + (missing == "category")
        oov = after if unseen == "oov" or missing == "oov" else -1
        table[MISSING] = size if missing == "category" else oov if missing == "oov" else -1
        table[UNSEEN] = oov if unseen == "oov" else -1
        table.flags.writeable = False
        return cls(field, kind, after + (oov >= 0), table)

    @classmethod
    def refusing(cls, field: Field, kind: str, size: int, *, missing: bool, unseen: bool) -> CodePlan:
        """Return a plan that only counts, and refuses missing or unseen values if told to."""
        policy: MissingPolicy = "error" if missing else "category"
        return cls.of(field, kind, size, policy, "error" if unseen else "oov")

    def codes(self, places: npt.NDArray[np.int32], tally: Counters | None, values: Any) -> npt.NDArray[np.int32]:
        """Return (n,) codes of places; count unseen ones, or refuse as the policy says.

        `values` is the column the places came from, to name a refused value.
        """
        if len(places) and int(places.min()) < 0:
            unseen = np.count_nonzero(places == UNSEEN)
            if tally is not None and unseen:
                tally.add(self.field.source, "unseen", int(unseen))
            self._refuse(places, values)
            return self.of_place[places]
        return places

    def _refuse(self, places: npt.NDArray[np.int32], values: Any) -> None:
        if self.of_place[MISSING] < 0 and bool((places == MISSING).any()):
            raise MissingValueError(self.field.source, self.kind)
        if self.of_place[UNSEEN] < 0 and bool((places == UNSEEN).any()):
            at = int(np.flatnonzero(places == UNSEEN)[0])
            raise UnseenValueError(self.field.source, self.kind, values.objects()[at])


def one_hot(codes: npt.NDArray[np.int32], width: int) -> Floats:
    """Return (width, n) of 0 and 1."""
    hot = np.zeros((width, len(codes)))
    hot[codes, np.arange(len(codes))] = 1.0
    return hot


def label_of(value: Any) -> str:
    """Return a category as it stands in an output column's name."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
