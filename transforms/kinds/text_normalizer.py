"""Kind `text_normalizer/1`: one spelling for texts that mean the same."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import Arrays, Fields, FittedKind, Form, Kind, require_choice
from likewise.transforms.logical_types import LogicalType

_FORMS = (None, "NFC", "NFD", "NFKC", "NFKD")


@dataclass(frozen=True, slots=True)
class TextNormalizer(Kind):
    """Unicode form, then case, accents, punctuation and white space, each as asked for.

    Learns nothing. Missing values stay missing; a text of which nothing is left is empty, or missing
    when asked for. Characters are judged by the Unicode tables of the running Python, so a newer
    Python may judge newly assigned characters otherwise; the golden rows tell.

    Parameters
    ----------
    unicode_form
        "NFC", "NFD", "NFKC", "NFKD" or None.
    case
        "fold" (lower case for comparison: "Straße" becomes "strasse"), "lower" or None.
    strip_accents, strip_punctuation
        Whether to drop combining marks (after splitting them off); to turn punctuation into spaces.
    collapse_spaces
        Whether runs of white space become one space and the ends are trimmed.
    empty
        "keep", or "missing" to turn empty texts into missing ones.

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(TextNormalizer(strip_accents=True), LogicalType.TEXT, ["x"])
    >>> fitted.apply((column_from_values("x", ["  Café  AU lait ", None], LogicalType.TEXT),), None)[0].objects()
    ['cafe au lait', None]
    """

    id: ClassVar[str] = "text_normalizer/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TEXT})

    unicode_form: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = "NFKC"
    case: Literal["fold", "lower"] | None = "fold"
    strip_accents: bool = False
    strip_punctuation: bool = False
    collapse_spaces: bool = True
    empty: Literal["keep", "missing"] = "keep"

    def __post_init__(self) -> None:
        require_choice("TextNormalizer", "unicode_form", self.unicode_form, _FORMS)
        require_choice("TextNormalizer", "case", self.case, (None, "fold", "lower"))
        for name in ("strip_accents", "strip_punctuation", "collapse_spaces"):
            require_choice("TextNormalizer", name, getattr(self, name), (True, False))
        require_choice("TextNormalizer", "empty", self.empty, ("keep", "missing"))

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedTextNormalizer:  # noqa: ARG002
        """Return the transformer."""
        return FittedTextNormalizer(self, fields)

    def normalized(self, text: str) -> str | None:
        """Return one text normalized."""
        if self.unicode_form is not None:
            text = unicodedata.normalize(self.unicode_form, text)
        if self.case is not None:
            text = text.casefold() if self.case == "fold" else text.lower()
        if self.strip_accents:
            split = unicodedata.normalize("NFD", text)
            text = unicodedata.normalize("NFC", "".join(c for c in split if not unicodedata.combining(c)))
        if self.strip_punctuation:
            text = "".join(" " if unicodedata.category(c)[0] in "PS" else c for c in text)
        if self.collapse_spaces:
            text = " ".join(text.split())
        return None if not text and self.empty == "missing" else text


@dataclass(frozen=True, slots=True, eq=False)
class FittedTextNormalizer(FittedKind):
    """A `TextNormalizer` over given fields."""

    kind: TextNormalizer
    fields: Fields

    def outputs(self) -> Fields:
        """Return the same fields."""
        return self.fields

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> tuple[Column, ...]:  # noqa: ARG002
        """Return the columns normalized."""
        return tuple(self._column(column) for column in values)

    def _column(self, column: Column) -> Column:
        done: dict[object, str | None] = {None: None}
        held = np.empty(len(column), dtype=object)
        for at, text in enumerate(column.objects()):
            if text not in done:
                done[text] = self.kind.normalized(str(text))
            held[at] = done[text]
        missing = np.array([v is None for v in held.tolist()], dtype=np.bool_)
        return Column(LogicalType.TEXT, held, missing if bool(missing.any()) else None)

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
