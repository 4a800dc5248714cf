"""Columns, statistics, kinds, transforms, artifacts and their registry.

What recipes need is re-exported here and loaded when first asked for: numpy, pyarrow and scipy take 0.6 s, which
`likewise --help` and every error message would pay otherwise (measured 2026-11).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from likewise.transforms.bounds import Bounds
    from likewise.transforms.columns import Column, InputSpec
    from likewise.transforms.counters import Counters
    from likewise.transforms.errors import LikewiseError
    from likewise.transforms.fitted_transform import FittedTransform
    from likewise.transforms.logical_types import LogicalType
    from likewise.transforms.steps import OutputSpec, Steps
    from likewise.transforms.transform import Transform

_HOMES = {
    "Bounds": "bounds",
    "Column": "columns",
    "Counters": "counters",
    "FittedTransform": "fitted_transform",
    "InputSpec": "columns",
    "LikewiseError": "errors",
    "LogicalType": "logical_types",
    "OutputSpec": "steps",
    "Steps": "steps",
    "Transform": "transform",
}

__all__ = [
    "Bounds",
    "Column",
    "Counters",
    "FittedTransform",
    "InputSpec",
    "LikewiseError",
    "LogicalType",
    "OutputSpec",
    "Steps",
    "Transform",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
