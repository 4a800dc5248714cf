"""Which kind is exported how, one explicit table a target, and the check that all steps can be.

Nothing heavy is imported here: a transform that can't be exported is refused before TensorFlow or DuckDB load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import TypeAlias

from likewise.models.exports import category_exporters as category
from likewise.models.exports import number_exporters as number
from likewise.models.exports import time_exporters as time
from likewise.models.exports.encoding import MISSING_TEXT
from likewise.models.exports.exporter import Exporter, NotExportable, Target
from likewise.transforms import FittedTransform
from likewise.transforms.errors import ExportUnavailableError, UnavailableStep
from likewise.transforms.kind import FittedKind
from likewise.transforms.steps import FittedSteps

Table: TypeAlias = Mapping[str, Exporter | NotExportable]

ENTRY_POINT_GROUP = "likewise.exporters"

_TOKENS = NotExportable(
    "tokens and lower case follow Python's Unicode tables, which neither Keras nor DuckDB has, "
    "so some texts would be cut otherwise"
)
_NORMAL_FORM = NotExportable(
    "normal forms, case folding and classes of characters follow Python's Unicode tables, which neither Keras nor "
    "DuckDB has; normalize the text where it is made"
)
_HASHED_TOKENS = NotExportable("neither Keras nor DuckDB has MurmurHash3 nor Python's Unicode tables")

# Of both targets alike: a formula is written once. A kind that differs by target would stand in the table of each.
_BOTH: Table = {
    "simple_imputer/1": Exporter(number.simple_imputer, side=number.indicators),
    "missing_indicator/1": Exporter(number.missing_indicator),
    "standard_scaler/1": Exporter(number.standard_scaler),
    "min_max_scaler/1": Exporter(number.min_max_scaler),
    "max_abs_scaler/1": Exporter(number.max_abs_scaler),
    "robust_scaler/1": Exporter(number.robust_scaler),
    "group_scaler/1": Exporter(category.group_scaler),
    "clip/1": Exporter(number.clip),
    "winsorizer/1": Exporter(number.winsorizer),
    "log_transformer/1": Exporter(number.log_transformer),
    "quantile_transformer/1": Exporter(number.quantile_transformer),
    "k_bins_discretizer/1": Exporter(number.k_bins_discretizer),
    "bucketizer/1": Exporter(number.bucketizer),
    "normalizer/1": Exporter(number.normalizer),
    "polynomial_features/1": Exporter(number.polynomial_features),
    "cyclical_features/1": Exporter(number.cyclical_features),
    "ordinal_encoder/1": Exporter(category.ordinal_encoder),
    "one_hot_encoder/1": Exporter(category.one_hot_encoder),
    "multi_hot_encoder/1": Exporter(time.multi_hot_encoder, refuse=time.why_not_multi_hot),
    "rare_grouper/1": Exporter(category.rare_grouper, refuse=category.why_not_grouped),
    "count_encoder/1": Exporter(category.count_encoder),
    "feature_hasher/1": Exporter(category.feature_hasher, refuse=category.why_not_hashed),
    "feature_cross/1": Exporter(category.feature_cross, refuse=category.why_not_crossed),
    "label_encoder/1": Exporter(category.ordinal_encoder),
    "text_normalizer/1": _NORMAL_FORM,
    "text_vectorizer/1": _TOKENS,
    "count_vectorizer/1": _TOKENS,
    "tfidf_vectorizer/1": _TOKENS,
    "hashing_vectorizer/1": _HASHED_TOKENS,
    "datetime_features/1": Exporter(time.datetime_features),
    "sequence_padder/1": Exporter(time.sequence_padder),
}
KERAS: Table = {**_BOTH}
SQL: Table = {**_BOTH}
TABLES: Mapping[Target, Table] = {"keras": KERAS, "sql": SQL}


def exporter_of(kind: FittedKind, target: Target) -> Exporter | NotExportable:
    """Return how a kind is exported: from the table, else from the package that declares an exporter for it."""
    found = TABLES[target].get(kind.kind.id)
    if found is not None:
        return found
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == kind.kind.id:
            exporter: Exporter = point.load()
            if target in exporter.targets:
                return exporter
    return NotExportable(
        f"no exporter is known; its package may declare one (entry point {ENTRY_POINT_GROUP!r}, name {kind.kind.id!r})"
    )


def check_exportable(fitted: FittedTransform, target: Target) -> None:
    """Raise ExportUnavailableError naming every step of a transform that the target has no form for."""
    unavailable = list(unavailable_steps(fitted, target))
    if unavailable:
        raise ExportUnavailableError(unavailable, target)


def unavailable_steps(fitted: FittedTransform, target: Target) -> Iterator[UnavailableStep]:
    """Yield each step that the target has no form for, with the reason."""
    for output, parts in fitted.steps.items():
        for steps in parts:
            for at, kind in enumerate(steps.kinds):
                why = _why_not(steps, at, target)
                if why is not None:
                    columns = tuple(dict.fromkeys(field.source for field in kind.fields))
                    yield UnavailableStep(kind.kind.id, output, columns, why)


def _why_not(steps: FittedSteps, at: int, target: Target) -> str | None:
    found = exporter_of(steps.kinds[at], target)
    if isinstance(found, NotExportable):
        return found.why
    return found.refuse(steps, at, target) or _why_not_kept(steps.kinds[at], target)


def _why_not_kept(kind: FittedKind, target: Target) -> str | None:
    """Return why a target can't keep a kind's categories."""
    if target != "keras":
        return None
    kept = (*getattr(kind, "vocabularies", ()), *([kind.keys] if hasattr(kind, "keys") else ()))
    for value in (value for vocabulary in kept for value in vocabulary.values if isinstance(value, (str, bytes))):
        if value in (MISSING_TEXT, MISSING_TEXT.encode()):
            return f"its category {value!r} is what stands for a missing value there"
        if value[-1:] in ("\0", b"\0"):
            return f"its category {value!r} ends in NUL, which Keras' lookup would cut off"
        if isinstance(value, bytes) and not _is_utf8(value):
            return f"its category {value!r} is no UTF-8, and Keras keeps vocabularies as text"
    return None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
