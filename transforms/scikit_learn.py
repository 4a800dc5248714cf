"""Taking over a fitted scikit-learn ColumnTransformer, proved on a sample.

It runs in the user's process on the user's objects; nothing is unpickled and scikit-learn is not
imported: classes are known by their names, state by the attributes scikit-learn documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.transforms.assembly import Made, assembled
from likewise.transforms.categories import pack_vocabularies
from likewise.transforms.columns import InputSpec, column_from_objects, columns_from_arrow
from likewise.transforms.errors import AdoptionError
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.golden import DATA_ROWS, RowSample
from likewise.transforms.kind import Fields, FittedKind
from likewise.transforms.kinds import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    SimpleImputer,
    StandardScaler,
)
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.packed_values import pack
from likewise.transforms.ragged import join
from likewise.transforms.steps import FittedSteps, first_fields

_Adopter = Callable[[Any, Fields], FittedKind]


def adopted(name: str, fitted: Any, sample: Any, *, feature_service: str | None = None) -> FittedTransform:
    """Return a fitted transform that computes what a fitted ColumnTransformer computes.

    Parameters
    ----------
    fitted
        A fitted `sklearn.compose.ColumnTransformer` over named columns.
    sample
        A pandas frame of rows with all its columns; outputs are compared on it, and some rows become
        golden rows.

    Returns
    -------
    FittedTransform
        One output for each transformer, named as it is.

    Raises
    ------
    AdoptionError
        A class or setting without equal here, or outputs that differ on the sample.
    """
    table = pa.table(sample)
    names = [str(c) for c in getattr(fitted, "feature_names_in_", ())]
    if not names:
        raise AdoptionError(type(fitted).__name__, "it was not fitted on a frame with named columns")
    parts = [(part, estimator, _names(columns, names)) for part, estimator, columns in fitted.transformers_]
    parts = [(part, estimator, columns) for part, estimator, columns in parts if estimator != "drop" and columns]
    types = _types(table, [c for *_, columns in parts for c in columns])
    outputs = {part: (_steps(estimator, first_fields(columns, types)),) for part, estimator, columns in parts}
    inputs = tuple(InputSpec(column, logical) for column, logical in types.items())
    rows = RowSample(inputs, DATA_ROWS)
    rows.update(columns_from_arrow(table, types))
    result = assembled(Made(name, feature_service, inputs, outputs), rows.chosen(), {"adopted_from": "scikit-learn"})
    _prove(result, parts, sample)
    return result


def _names(columns: Any, names: Sequence[str]) -> list[str]:
    if isinstance(columns, slice):
        return list(names[columns])
    chosen = np.asarray(columns).reshape(-1).tolist()
    if chosen and all(isinstance(c, bool) for c in chosen):
        return [n for n, c in zip(names, chosen, strict=True) if c]
    return [names[c] if isinstance(c, int) else str(c) for c in chosen]


def _types(table: pa.Table, columns: Sequence[str]) -> dict[str, LogicalType]:
    return {c: LogicalType.from_arrow(table.schema.field(c).type) for c in dict.fromkeys(columns)}


def _steps(estimator: Any, fields: Fields) -> FittedSteps:
    stages = [e for _, e in estimator.steps] if type(estimator).__name__ == "Pipeline" else [estimator]
    kinds: list[FittedKind] = []
    given = fields
    for stage in stages:
        known = type(stage).__name__
        is_identity = known == "FunctionTransformer" and stage.func is None
        if stage == "passthrough" or is_identity:
            continue
        if known not in _ADOPTERS or not type(stage).__module__.startswith("sklearn."):
            raise AdoptionError(known, f"only {', '.join(sorted(_ADOPTERS))} have an equal here")
        kinds.append(_ADOPTERS[known](stage, given))
        given = kinds[-1].outputs()
    return FittedSteps(fields, tuple(kinds))


def _prove(result: FittedTransform, parts: Sequence[tuple[str, Any, list[str]]], sample: Any) -> None:
    tensors = result.apply(sample)
    for part, estimator, columns in parts:
        expected = np.asarray(estimator.transform(sample[columns]), dtype=np.float64)
        got = tensors[part].reshape(len(expected), -1).astype(np.float64)
        if expected.shape != got.shape:
            raise AdoptionError(f"transformer {part!r}", f"it makes {expected.shape[1]} columns, ours {got.shape[1]}")
        off = ~np.isclose(got, expected, rtol=1e-5, atol=1e-5, equal_nan=True)
        if bool(off.any()):
            row, column = np.argwhere(off)[0].tolist()
            why = f"row {row}, column {column} of the sample gives {expected[row, column]!r}, ours {got[row, column]!r}"
            raise AdoptionError(f"transformer {part!r}", why)


def _refuse_unless(met: bool, estimator: Any, why: str) -> None:  # noqa: FBT001
    if not met:
        raise AdoptionError(type(estimator).__name__, why)


def _standard(e: Any, fields: Fields) -> FittedKind:
    kind = StandardScaler(with_mean=bool(e.with_mean), with_std=bool(e.with_std))
    mean = e.mean_ if e.with_mean else np.zeros(len(fields))
    return kind.restore(fields, {"mean": mean, "scale": e.scale_ if e.with_std else np.ones(len(fields))})


def _min_max(e: Any, fields: Fields) -> FittedKind:
    low, high = (float(bound) for bound in e.feature_range)
    kind = MinMaxScaler((low, high), clip=bool(e.clip))
    return kind.restore(fields, {"low": e.data_min_, "high": e.data_max_})


def _max_abs(e: Any, fields: Fields) -> FittedKind:
    return MaxAbsScaler().restore(fields, {"scale": e.scale_})


def _robust(e: Any, fields: Fields) -> FittedKind:
    _refuse_unless(not e.unit_variance, e, "unit_variance has no equal here")
    low, high = (float(percent) for percent in e.quantile_range)
    kind = RobustScaler(
        with_centering=bool(e.with_centering), with_scaling=bool(e.with_scaling), quantile_range=(low, high)
    )
    centre = e.center_ if e.with_centering else np.zeros(len(fields))
    return kind.restore(fields, {"centre": centre, "scale": e.scale_ if e.with_scaling else np.ones(len(fields))})


def _normalizer(e: Any, fields: Fields) -> FittedKind:
    return Normalizer(e.norm).restore(fields, {})


def _polynomial(e: Any, fields: Fields) -> FittedKind:
    _refuse_unless(isinstance(e.degree, int), e, "a pair of degrees has no equal here")
    kind = PolynomialFeatures(e.degree, interaction_only=bool(e.interaction_only), include_bias=bool(e.include_bias))
    return kind.restore(fields, {})


def _imputer(e: Any, fields: Fields) -> FittedKind:
    _refuse_unless(e.missing_values is None or e.missing_values != e.missing_values, e, "missing_values must be NaN")
    fill = list(e.statistics_)
    _refuse_unless(all(f == f and f is not None for f in fill), e, "a column was all missing in the fit")
    constant = e.strategy == "constant"
    is_numeric = all(f.type.is_numeric for f in fields)
    value = (float(fill[0]) if is_numeric else str(fill[0])) if constant else None
    kind = SimpleImputer(e.strategy, fill_value=value, add_indicator=bool(e.add_indicator))
    had = np.zeros(len(fields), np.bool_)
    if e.add_indicator:
        had[e.indicator_.features_] = True
    arrays: dict[str, Any] = {"had_missing": had}
    if is_numeric:
        return kind.restore(fields, arrays | {"fill": np.array(fill, dtype=np.float64)})
    for at, (field, given) in enumerate(zip(fields, fill, strict=True)):
        arrays |= pack(f"fill.{at}", field.type, [given])
    return kind.restore(fields, arrays)


def _quantile(e: Any, fields: Fields) -> FittedKind:
    kind = QuantileTransformer(int(e.n_quantiles), e.output_distribution)
    return kind.restore(fields, join("quantiles", list(e.quantiles_.T)))


def _bins(e: Any, fields: Fields) -> FittedKind:
    _refuse_unless(e.encode != "onehot", e, "sparse output has no equal here; use encode='onehot-dense'")
    _refuse_unless(e.strategy != "kmeans", e, "strategy 'kmeans' has no equal here")
    edges = [np.asarray(column, dtype=np.float64) for column in e.bin_edges_]
    _refuse_unless(all(np.isfinite(column).all() for column in edges), e, "a column was constant in the fit")
    encode: Any = "ordinal" if e.encode == "ordinal" else "onehot"
    kind = KBinsDiscretizer(int(np.max(e.n_bins)), encode, e.strategy, missing="error")
    return kind.restore(fields, join("edges", edges))


def _categories(e: Any, fields: Fields) -> list[list[Any]]:
    chosen = []
    for field, known in zip(fields, e.categories_, strict=True):
        present = [v for v in known.tolist() if v is not None and v == v]
        chosen.append(column_from_objects(field.source, present, field.type).objects())
    return chosen


def _ordinal(e: Any, fields: Fields) -> FittedKind:
    chosen = _categories(e, fields)
    whole = all(len(c) == len(known) for c, known in zip(chosen, e.categories_, strict=True))
    _refuse_unless(whole, e, "missing values among its categories have another code here")
    kind = OrdinalEncoder(unseen="error" if e.handle_unknown == "error" else "oov", missing="error")
    return kind.restore(fields, pack_vocabularies(fields, chosen))


def _one_hot(e: Any, fields: Fields) -> FittedKind:
    _refuse_unless(not e.sparse_output, e, "sparse output has no equal here; use sparse_output=False")
    _refuse_unless(e.drop in (None, "first", "if_binary"), e, "a drop per column has no equal here")
    chosen = _categories(e, fields)
    unseen: Any = {"error": "error", "ignore": "ignore"}.get(e.handle_unknown, "infrequent")
    has_missing = [len(c) != len(known) for c, known in zip(chosen, e.categories_, strict=True)]
    _refuse_unless(len(set(has_missing)) == 1, e, "missing values are a category of some columns only")
    kind = OneHotEncoder(unseen, "category" if has_missing[0] else "error", e.drop)
    rare = getattr(e, "infrequent_categories_", [None] * len(fields))
    arrays: dict[str, Any] = dict(pack_vocabularies(fields, chosen))
    for at, (values, infrequent) in enumerate(zip(chosen, rare, strict=True)):
        grouped = set() if infrequent is None else set(infrequent.tolist())
        arrays[f"infrequent.{at}"] = np.array([v in grouped for v in values], dtype=np.bool_)
    return kind.restore(fields, arrays)


_ADOPTERS: Mapping[str, _Adopter] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "Normalizer": _normalizer,
    "PolynomialFeatures": _polynomial,
    "SimpleImputer": _imputer,
    "QuantileTransformer": _quantile,
    "KBinsDiscretizer": _bins,
    "OrdinalEncoder": _ordinal,
    "OneHotEncoder": _one_hot,
}
