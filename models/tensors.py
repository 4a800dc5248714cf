"""The named tensors that a model takes, and the check that a caller gave these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from .errors import ModelFileError, ModelInputError, TensorSpecError

Tensors = Mapping[str, np.ndarray[Any, Any]]


class TensorLike(Protocol):
    """What a model needs to know of a transform's output; `OutputSpec` has it."""

    @property
    def name(self) -> str:
        """Name of the tensor."""
        ...

    @property
    def dtype(self) -> str:
        """Either float32 or int32."""
        ...

    @property
    def width(self) -> int | None:
        """Number of columns; None for shape (n,)."""
        ...

    @property
    def cardinality(self) -> int | None:
        """Number of codes of an integer tensor."""
        ...


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input of a model.

    Parameters
    ----------
    name
        As the transform's output.
    dtype
        "float32" or "int32".
    width
        Number of columns, or None for shape (n,).
    cardinality
        For int32: the number of codes; values are 0 to cardinality - 1.
    """

    name: str
    dtype: str
    width: int | None
    cardinality: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "int32"):
            raise TensorSpecError(self.name, "dtype float32 or int32", self.dtype)
        if self.dtype == "int32" and not self.cardinality:
            raise TensorSpecError(self.name, "a known number of codes for an integer output", "none")

    @classmethod
    def of(cls, output: TensorLike) -> TensorSpec:
        """Return the spec of a transform's output."""
        return cls(output.name, output.dtype, output.width, output.cardinality)

    @classmethod
    def from_json(cls, file: str, value: object) -> TensorSpec:
        """Return the spec that `to_json` wrote; anything else is an error of that file."""
        names = {"name": str, "dtype": str, "width": int | None, "cardinality": int | None}
        if not isinstance(value, Mapping) or set(value) != set(names):
            raise ModelFileError(file, f"inputs with {', '.join(names)}", repr(value))
        for name, kind in names.items():
            if not isinstance(value[name], kind) or isinstance(value[name], bool):
                raise ModelFileError(file, f"input field {name} to be {kind}", repr(value[name]))
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return asdict(self)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row: () or (width,)."""
        return () if self.width is None else (self.width,)


def check_tensors(specs: Sequence[TensorSpec], tensors: Tensors) -> int:
    """Return the number of rows, once every tensor has its dtype, shape and codes.

    Raises
    ------
    ModelInputError
        Naming the first tensor that differs. A code outside of its vocabulary is one: LiteRT takes a
        negative index from the end of the table, so it would answer for another category.
    """
    rows = -1
    for spec in specs:
        tensor = tensors.get(spec.name)
        if tensor is None:
            raise ModelInputError(spec.name, "a tensor of that name", f"only {', '.join(tensors)}")
        if tensor.dtype != spec.dtype or tensor.shape[1:] != spec.row_shape or not tensor.ndim:
            raise ModelInputError(spec.name, _shape_text(spec), f"{tensor.dtype} {tensor.shape}")
        if rows not in (-1, len(tensor)):
            raise ModelInputError(spec.name, f"{rows} rows as the inputs before it", f"{len(tensor)} rows")
        rows = len(tensor)
        if spec.cardinality is not None and _has_foreign_code(tensor, spec.cardinality):
            raise ModelInputError(spec.name, f"codes 0 to {spec.cardinality - 1}", "codes beyond")
    return rows


def _has_foreign_code(codes: np.ndarray[Any, Any], cardinality: int) -> bool:
    if codes.size == 1:  # one row is the hot case: no array operation (0.2 us instead of 4)
        return not 0 <= codes.item() < cardinality
    return bool(codes.size) and bool(codes.min() < 0 or codes.max() >= cardinality)


def _shape_text(spec: TensorSpec) -> str:
    width = "" if spec.width is None else f" {spec.width}"
    return f"{spec.dtype} (n,{width})"
