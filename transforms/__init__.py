"""Columns, statistics, kinds, transforms, artifacts and their registry."""

from likewise.transforms.columns import Column, InputSpec
from likewise.transforms.counters import Counters
from likewise.transforms.errors import LikewiseError
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.steps import OutputSpec, Steps
from likewise.transforms.transform import Transform

__all__ = [
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
