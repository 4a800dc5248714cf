"""Steps that stay as fitted inside a transform that is fitted anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from likewise.transforms.errors import StepError
from likewise.transforms.kind import Arrays, Fields, FittedKind, Form, Kind
from likewise.transforms.logical_types import LogicalType


@dataclass(frozen=True, slots=True, eq=False)
class Kept(Kind):
    """A kind with the state it already has: fitting learns nothing, missing values and all else as fitted.

    It stands in declarations only; a fitted transform holds the kind itself.
    """

    id: ClassVar[str] = "kept"
    form: ClassVar[Form] = Form.EITHER
    accepts = frozenset(LogicalType)

    fitted: FittedKind

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedKind:  # noqa: ARG002
        """Return the fitted kind over these fields, which may have other names but not other types."""
        before = [f.type.value for f in self.fitted.fields]
        if [f.type.value for f in fields] != before:
            got = ", ".join(f"{f.type.value} {f.source!r}" for f in fields)
            raise StepError(f"{type(self.fitted.kind).__name__} kept as fitted", ", ".join(before), got)
        return self.fitted.kind.restore(fields, self.fitted.arrays())
