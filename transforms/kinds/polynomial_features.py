"""Kind `polynomial_features/1`: products of columns up to a degree."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations, combinations_with_replacement
from typing import ClassVar

import numpy as np

from likewise.transforms.counters import Counters
from likewise.transforms.errors import SettingError
from likewise.transforms.kind import (
    NUMERIC,
    Arrays,
    Fields,
    FittedKind,
    Floats,
    Form,
    Kind,
    require_choice,
    require_integer,
)
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing

_MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class PolynomialFeatures(Kind):
    """All products of the columns up to a degree, in scikit-learn's order: 1, a, b, a^2, a b, b^2 ...

    Learns nothing. A power is repeated multiplication from the left, so its bits are the same
    everywhere. Missing values: every product they are part of is missing, or an error. Infinities
    follow IEEE 754; a product beyond float64 is an infinity.

    Parameters
    ----------
    degree
        From 1 to 8.
    interaction_only
        Whether to leave out powers of one column.
    include_bias
        Whether the first column is 1.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(PolynomialFeatures(2), [0.0]).apply(np.array([[3.0]]), None)
    array([[1.],
           [3.],
           [9.]])
    """

    id: ClassVar[str] = "polynomial_features/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    degree: int = 2
    interaction_only: bool = False
    include_bias: bool = True
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_integer("PolynomialFeatures", "degree", self.degree, 1, 8)
        require_choice("PolynomialFeatures", "interaction_only", self.interaction_only, (True, False))
        require_choice("PolynomialFeatures", "include_bias", self.include_bias, (True, False))
        require_choice("PolynomialFeatures", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedPolynomialFeatures:  # noqa: ARG002
        """Return the transformer."""
        pick = combinations if self.interaction_only else combinations_with_replacement
        every = chain.from_iterable(
            pick(range(len(fields)), degree) for degree in range(not self.include_bias, self.degree + 1)
        )
        products = tuple(combination for combination, _ in zip(every, range(_MOST_COLUMNS + 1), strict=False))
        if len(products) > _MOST_COLUMNS:
            raise SettingError(
                "PolynomialFeatures", "degree", f"one that gives at most {_MOST_COLUMNS:,} columns", self.degree
            )
        return FittedPolynomialFeatures(self, fields, products)


@dataclass(frozen=True, slots=True, eq=False)
class FittedPolynomialFeatures(FittedKind):
    """A `PolynomialFeatures` over given fields; products are tuples of field indices."""

    kind: PolynomialFeatures
    fields: Fields
    products: tuple[tuple[int, ...], ...]

    def outputs(self) -> Fields:
        """Return one field a product, named as scikit-learn names it."""
        return tuple(self.fields[p[0] if p else 0].renamed(self._name(p)) for p in self.products)

    def _name(self, product: tuple[int, ...]) -> str:
        powers = [(self.fields[at].name, product.count(at)) for at in dict.fromkeys(product)]
        return " ".join(name if power == 1 else f"{name}^{power}" for name, power in powers) or "1"

    def apply(self, values: Floats, tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (d, n) products."""
        check_missing(values, self.fields, "PolynomialFeatures", self.kind.missing)
        result = np.ones((len(self.products), values.shape[1]))
        known: dict[tuple[int, ...], int] = {}
        with np.errstate(invalid="ignore", under="ignore"):
            for row, product in enumerate(self.products):
                if len(product) > 1 and product[:-1] in known:
                    np.multiply(result[known[product[:-1]]], values[product[-1]], out=result[row])
                else:
                    for at in product:
                        result[row] *= values[at]
                known[product] = row
        return result

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
