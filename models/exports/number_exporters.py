"""Exporters of the kinds of numbers: the formulas of `docs/kinds/numeric.md` over blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.models.exports.algebra import Algebra, Block, Refusal
from likewise.models.exports.columns import ExportColumn
from likewise.transforms.arithmetic import quantile_in_centre, quantile_in_tail
from likewise.transforms.kind import FittedKind
from likewise.transforms.kinds.bucketizer import FittedBucketizer
from likewise.transforms.kinds.clip import FittedClip
from likewise.transforms.kinds.cyclical_features import FittedCyclicalFeatures
from likewise.transforms.kinds.k_bins_discretizer import FittedKBinsDiscretizer
from likewise.transforms.kinds.log_transformer import FittedLogTransformer
from likewise.transforms.kinds.max_abs_scaler import FittedMaxAbsScaler
from likewise.transforms.kinds.min_max_scaler import FittedMinMaxScaler
from likewise.transforms.kinds.normalizer import FittedNormalizer
from likewise.transforms.kinds.polynomial_features import FittedPolynomialFeatures
from likewise.transforms.kinds.quantile_transformer import SHARE_BOUND, FittedQuantileTransformer
from likewise.transforms.kinds.robust_scaler import FittedRobustScaler
from likewise.transforms.kinds.standard_scaler import FittedStandardScaler
from likewise.transforms.kinds.winsorizer import FittedWinsorizer


def refusing_missing(kind: FittedKind, x: Block) -> Block:
    """Return the numbers; what is missing is refused where the kind's policy says so."""
    if getattr(kind.kind, "missing", "keep") != "error":
        return x
    name = type(kind.kind).__name__
    held = [
        x.algebra.refuse(column, x.algebra.is_missing(column), Refusal(field.source, name, "a missing value"))
        for column, field in zip(x.columns(), kind.fields, strict=True)
    ]
    return x.algebra.join(held)


def held_within(x: Block, low: Any, high: Any) -> Block:
    """Return numbers within two bounds; missing ones stay missing."""
    algebra = x.algebra
    raised = x if low is None else algebra.where(x < low, low, x)
    return raised if high is None else algebra.where(raised > high, high, raised)


def standard_scaler(kind: FittedStandardScaler, x: Block) -> Block:
    """Export (x - mean) / scale."""
    return (refusing_missing(kind, x) - kind.mean) / kind.scale


def robust_scaler(kind: FittedRobustScaler, x: Block) -> Block:
    """Export (x - centre) / scale."""
    return (refusing_missing(kind, x) - kind.centre) / kind.scale


def max_abs_scaler(kind: FittedMaxAbsScaler, x: Block) -> Block:
    """Export x / scale."""
    return refusing_missing(kind, x) / kind.scale


def min_max_scaler(kind: FittedMinMaxScaler, x: Block) -> Block:
    """Export (x - low) / spread * (b - a) + a."""
    x = refusing_missing(kind, x)
    if kind.kind.clip:
        x = held_within(x, kind.low, kind.high)
    a, b = kind.kind.feature_range
    return (x - kind.low) / kind.spread * float(b - a) + float(a)


def clip(kind: FittedClip, x: Block) -> Block:
    """Export the given bounds."""
    return held_within(refusing_missing(kind, x), kind.kind.lower, kind.kind.upper)


def winsorizer(kind: FittedWinsorizer, x: Block) -> Block:
    """Export the fitted bounds."""
    return held_within(refusing_missing(kind, x), kind.lower, kind.upper)


def log_transformer(kind: FittedLogTransformer, x: Block) -> Block:
    """Export log(1 + x), log(x) or sign(x) log(1 + |x|)."""
    x, algebra = refusing_missing(kind, x), x.algebra
    if kind.kind.method == "signed_log1p":
        size = algebra.call("log1p", algebra.call("abs", x))
        return algebra.where(x < 0.0, 0.0 - size, size)
    bound = -1.0 if kind.kind.method == "log1p" else 0.0
    outside = x <= bound
    # What has no logarithm is replaced before it is taken: a target may refuse to take it.
    safe = algebra.where(outside, 1.0, x)
    result = algebra.where(outside, math.nan, algebra.call("log1p" if kind.kind.method == "log1p" else "log", safe))
    if kind.kind.out_of_range == "missing":
        return result
    why = [Refusal(f.source, "LogTransformer", f"a number not above {bound}") for f in kind.fields]
    return algebra.join([algebra.refuse(result[at], outside[at], w) for at, w in enumerate(why)])


def quantile_transformer(kind: FittedQuantileTransformer, x: Block) -> Block:
    """Export the piecewise linear shares, and their normal quantiles."""
    x = refusing_missing(kind, x)
    shares = [_share(table, column) for table, column in zip(kind.tables, x.columns(), strict=True)]
    share = x.algebra.join(shares)
    if kind.kind.output_distribution == "uniform":
        return share
    return _normal_quantile(held_within(share, SHARE_BOUND, 1.0 - SHARE_BOUND))


def _share(table: Any, x: Block) -> Block:
    algebra = x.algebra
    held = held_within(x, float(table.knots[0]), float(table.knots[-1]))
    at = algebra.count_at_or_below(held, table.knots)
    beyond = held - algebra.pick(table.start, at)
    share = algebra.pick(table.share, at) + beyond * algebra.pick(table.slope, at)
    if table.has_ties:
        share = algebra.where(beyond.equals(0.0), algebra.pick(table.at_knot, at), share)
    return algebra.where(algebra.is_missing(x), math.nan, share)


def _normal_quantile(p: Block) -> Block:
    """Return Wichura's AS 241 by the coefficients of `likewise.transforms.arithmetic`."""
    algebra = p.algebra
    q = p - 0.5
    lower = q < 0.0
    side = algebra.where(lower, p, 1.0 - p)
    root = algebra.call("sqrt", 0.0 - algebra.call("log", side))
    # The formulas take floats and arrays; a block has the same operators.
    tail: Block = quantile_in_tail(root)  # type: ignore[type-var]
    centre: Block = quantile_in_centre(q)  # type: ignore[type-var]
    signed = algebra.where(lower, 0.0 - tail, tail)
    return algebra.where(algebra.call("abs", q) <= 0.425, centre, signed)


def k_bins_discretizer(kind: FittedKBinsDiscretizer, x: Block) -> Block:
    """Export the number of inner edges at or below x."""
    return _bins(kind, x, kind.inner, onehot=kind.kind.encode == "onehot")


def bucketizer(kind: FittedBucketizer, x: Block) -> Block:
    """Export the number of given edges at or below x."""
    return _bins(kind, x, [kind.edges] * x.width, onehot=kind.kind.encode == "onehot")


def _bins(kind: Any, x: Block, edges: Any, *, onehot: bool) -> Block:
    algebra = x.algebra
    codes = []
    for column, inner, field in zip(x.columns(), edges, kind.fields, strict=True):
        missing = algebra.is_missing(column)
        code = algebra.where(missing, len(inner) + 1, algebra.count_at_or_below(column, inner))
        if kind.kind.missing == "error":
            code = algebra.refuse(code, missing, Refusal(field.source, type(kind.kind).__name__, "a missing value"))
        width = len(inner) + 1 + (kind.kind.missing == "category")
        codes.append(algebra.one_hot(code, width) if onehot else code)
    return algebra.join(codes)


def normalizer(kind: FittedNormalizer, x: Block) -> Block:
    """Export x divided by its row's norm, taken after division by the largest |x|."""
    x, algebra = refusing_missing(kind, x), x.algebra
    size = algebra.call("abs", x).columns()
    largest, any_missing = size[0], algebra.is_missing(size[0])
    for column in size[1:]:
        largest = algebra.where(column > largest, column, largest)
        any_missing = algebra.either(any_missing, algebra.is_missing(column))
    scaled = x / algebra.where(any_missing, math.nan, _one_for_zero(largest))
    return scaled if kind.kind.norm == "max" else scaled / _length(kind.kind.norm, scaled)


def _length(norm: str, scaled: Block) -> Block:
    algebra = scaled.algebra
    terms = (algebra.call("abs", scaled) if norm == "l1" else scaled * scaled).columns()
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return _one_for_zero(total if norm == "l1" else algebra.call("sqrt", total))


def _one_for_zero(x: Block) -> Block:
    return x.algebra.where(x.equals(0.0), 1.0, x)


def polynomial_features(kind: FittedPolynomialFeatures, x: Block) -> Block:
    """Export the products, each multiplied from the left."""
    x = refusing_missing(kind, x)
    known: dict[tuple[int, ...], Block] = {(): x.algebra.constant(x, 1.0, 1)}
    for product in kind.products:
        for length in range(1, len(product) + 1):
            head, last = product[: length - 1], product[length - 1]
            if product[:length] not in known:
                known[product[:length]] = known[head] * x[last] if head else x[last]
    return x.algebra.join([known[product] for product in kind.products])


def cyclical_features(kind: FittedCyclicalFeatures, x: Block) -> Block:
    """Export sine and cosine, of an angle reduced to an eighth of a turn."""
    x, algebra = refusing_missing(kind, x), x.algebra
    finite = algebra.where(algebra.call("abs", x) < math.inf, x, math.nan)
    turns = algebra.remainder(finite, float(kind.kind.period)) / float(kind.kind.period)
    quarter = algebra.call("floor", turns * 4.0 + 0.5)
    angle = (turns - quarter * 0.25) * (2.0 * math.pi)
    sine, cosine = algebra.call("sin", angle), algebra.call("cos", angle)
    of_four = quarter - algebra.call("floor", quarter * 0.25) * 4.0
    odd = algebra.either(of_four.equals(1.0), of_four.equals(3.0))
    first, second = algebra.where(odd, cosine, sine), algebra.where(odd, sine, cosine)
    turned = algebra.either(of_four.equals(1.0), of_four.equals(2.0))
    waves = (
        algebra.where(of_four >= 2.0, 0.0 - first, first).columns(),
        algebra.where(turned, 0.0 - second, second).columns(),
    )
    return algebra.join([wave for pair in zip(*waves, strict=True) for wave in pair])


def simple_imputer(kind: Any, values: Any) -> Block | tuple[ExportColumn, ...]:
    """Export the filling values."""
    if isinstance(values, Block):
        return values.algebra.where(values.algebra.is_missing(values), kind.fill, values)
    return tuple(column.filled(value) for column, value in zip(values, kind.fill, strict=True))


def indicators(kind: Any, values: Any) -> Block:
    """Export the indicators of an imputer."""
    return missing_of(values, kind.indicated)


def missing_indicator(kind: Any, values: tuple[ExportColumn, ...]) -> Block:
    """Export 1 where missing."""
    return missing_of(values, kind.chosen)


def missing_of(values: Any, chosen: npt.NDArray[np.bool_]) -> Block:
    """Return 1 where the chosen columns are missing."""
    if isinstance(values, Block):
        masks = [values.algebra.is_missing(values[at]) for at in np.flatnonzero(chosen).tolist()]
    else:
        masks = [values[at].missing() for at in np.flatnonzero(chosen).tolist()]
    algebra: Algebra = masks[0].algebra
    return algebra.join([algebra.numbers(mask) for mask in masks])
