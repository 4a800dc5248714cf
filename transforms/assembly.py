"""Fitted steps, however they came about, made into a fitted transform with golden rows and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from likewise.transforms.artifact import Content
from likewise.transforms.columns import Column, InputSpec, column_from_objects
from likewise.transforms.errors import LikewiseError
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.golden import GoldenRows, odd_rows
from likewise.transforms.plan import Plan, Tensors, compile_plan
from likewise.transforms.steps import FittedSteps, OutputSpec, output_spec


@dataclass(frozen=True, slots=True)
class Made:
    """What a fit or an adoption leads to."""

    name: str
    feature_service: str | None
    inputs: tuple[InputSpec, ...]
    outputs: Mapping[str, tuple[FittedSteps, ...]]


def assembled(made: Made, rows: Sequence[Sequence[Any]], provenance: Mapping[str, Any]) -> FittedTransform:
    """Return the fitted transform; `rows` are values in input order to keep as golden rows."""
    golden = _golden_rows(made, rows)
    noted = {"versions": _versions(), **provenance}
    return FittedTransform(Content(made.name, made.feature_service, made.inputs, made.outputs, golden, noted))


def _golden_rows(made: Made, rows: Sequence[Sequence[Any]]) -> GoldenRows:
    """Return golden rows: the given ones, then odd ones, without those that a policy refuses."""
    specs = [output_spec(name, steps) for name, steps in made.outputs.items()]
    plan = compile_plan(list(zip(specs, made.outputs.values(), strict=True)), made.inputs)
    kept: list[Sequence[Any]] = []
    for row in [*rows, *odd_rows(made.inputs)]:
        try:
            _run(plan, specs, made.inputs, [row])
        except LikewiseError:
            continue
        kept.append(row)
    return GoldenRows(_columns(made.inputs, kept), _run(plan, specs, made.inputs, kept))


def _columns(inputs: Sequence[InputSpec], rows: Sequence[Sequence[Any]]) -> dict[str, Column]:
    return {
        spec.name: column_from_objects(spec.name, [row[at] for row in rows], spec.type)
        for at, spec in enumerate(inputs)
    }


def _run(
    plan: Plan, specs: Sequence[OutputSpec], inputs: Sequence[InputSpec], rows: Sequence[Sequence[Any]]
) -> Tensors:
    columns = _columns(inputs, rows)
    tensors = {spec.name: np.empty((len(rows), *spec.shape), spec.dtype) for spec in specs}
    numbers = np.array([columns[name].values for name in plan.number_names]).reshape(-1, len(rows))
    if rows:
        plan.run(numbers, [columns[spec.name] for spec in plan.column_inputs], tensors, None)
    return tensors


def _versions() -> dict[str, str]:
    versions = {}
    for package in ("likewise", "numpy", "pyarrow", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
