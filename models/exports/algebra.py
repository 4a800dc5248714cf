"""The few operations from which every exporter is written once, whatever form the export has.

A formula is stated over `Block`s; an `Algebra` turns it into tensors of a Keras graph or into SQL. So a
kind has one exporter, not one a target. Numbers are float64, missing where NaN (in SQL: null).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Constant: TypeAlias = "float | int | npt.NDArray[Any]"
Arithmetic = Literal["+", "-", "*", "/"]
Comparison = Literal["<", "<=", ">", ">=", "="]
Function = Literal["abs", "sqrt", "log", "log1p", "floor", "sin", "cos"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """k columns of n numbers, codes or truths, in the target's own form.

    Operators take blocks of the same width (or of one column, which is spread) and constants: a number, or
    an array with one entry a column.

    Parameters
    ----------
    algebra
        What computes with it.
    held
        The target's form.
    width
        k.
    """

    algebra: Algebra
    held: Any
    width: int

    def __add__(self, other: Block | Constant) -> Block:
        return self.algebra.arithmetic("+", self, other)

    def __radd__(self, other: Constant) -> Block:
        return self.algebra.arithmetic("+", other, self)

    def __sub__(self, other: Block | Constant) -> Block:
        return self.algebra.arithmetic("-", self, other)

    def __rsub__(self, other: Constant) -> Block:
        return self.algebra.arithmetic("-", other, self)

    def __mul__(self, other: Block | Constant) -> Block:
        return self.algebra.arithmetic("*", self, other)

    def __rmul__(self, other: Constant) -> Block:
        return self.algebra.arithmetic("*", other, self)

    def __truediv__(self, other: Block | Constant) -> Block:
        return self.algebra.arithmetic("/", self, other)

    def __lt__(self, other: Block | Constant) -> Block:  # type: ignore[misc]
        return self.algebra.compare("<", self, other)

    def __le__(self, other: Block | Constant) -> Block:  # type: ignore[misc]
        return self.algebra.compare("<=", self, other)

    def __gt__(self, other: Block | Constant) -> Block:  # type: ignore[misc]
        return self.algebra.compare(">", self, other)

    def __ge__(self, other: Block | Constant) -> Block:  # type: ignore[misc]
        return self.algebra.compare(">=", self, other)

    def equals(self, other: Block | Constant) -> Block:
        """Return where it is equal; missing numbers equal nothing."""
        return self.algebra.compare("=", self, other)

    def __getitem__(self, at: int) -> Block:
        return self.algebra.column(self, at)

    def __len__(self) -> int:
        return self.width

    def columns(self) -> list[Block]:
        """Return its k columns, each a block."""
        return [self[at] for at in range(self.width)]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a policy of 'error' refuses: which column, by which kind, and what was wrong."""

    column: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"column '{self.column}': {self.kind} got {self.what}, and its policy is 'error'"


@dataclass(frozen=True, slots=True)
class ListHandle:
    """A raw list column: its input name, and whether items are 'text', 'bytes', 'time' or 'number'."""

    name: str
    element: str


class Algebra(ABC):
    """Computes with blocks; one subclass a target."""

    @abstractmethod
    def arithmetic(self, sign: Arithmetic, a: Block | Constant, b: Block | Constant) -> Block:
        """Return a + b, a - b, a * b or a / b of numbers (+, - and * of integers too)."""

    @abstractmethod
    def compare(self, sign: Comparison, a: Block, b: Block | Constant) -> Block:
        """Return truths; of a missing number every comparison is false."""

    @abstractmethod
    def both(self, a: Block, b: Block) -> Block:
        """Return a and b."""

    @abstractmethod
    def either(self, a: Block, b: Block) -> Block:
        """Return a or b."""

    @abstractmethod
    def negated(self, a: Block) -> Block:
        """Return not a."""

    @abstractmethod
    def where(self, condition: Block, then: Block | Constant, otherwise: Block | Constant) -> Block:
        """Return `then` where the condition holds, else `otherwise`."""

    @abstractmethod
    def is_missing(self, x: Block) -> Block:
        """Return where numbers are missing."""

    @abstractmethod
    def call(self, name: Function, x: Block) -> Block:
        """Return a function of numbers; of numbers without one, any number or missing."""

    @abstractmethod
    def remainder(self, x: Block, period: float) -> Block:
        """Return finite numbers less a whole multiple of `period`, exactly; of either sign, within one period."""

    @abstractmethod
    def divided(self, x: Block, by: int) -> Block:
        """Return x // by of integers that are not negative."""

    @abstractmethod
    def modulo(self, x: Block, by: int) -> Block:
        """Return x % by of integers that are not negative."""

    @abstractmethod
    def count_at_or_below(self, x: Block, edges: npt.NDArray[Any]) -> Block:
        """Return, as integers, how many ascending edges lie at or below one column; of missing ones any number."""

    @abstractmethod
    def pick(self, table: npt.NDArray[Any], place: Block) -> Block:
        """Return the table's entry at each place, 0 to len(table) - 1, of one column of integers."""

    @abstractmethod
    def place_among(self, x: Block, values: Sequence[Any], missing: Block) -> Block:
        """Return the place of one column's numbers or integers among distinct values; V if unseen, V + 1 if missing."""

    @abstractmethod
    def place_of_text(self, name: str, values: Sequence[Any]) -> Block:
        """Return the place of a raw text or bytes column among distinct values; V if unseen, V + 1 if missing."""

    @abstractmethod
    def one_hot(self, place: Block, width: int) -> Block:
        """Return a number column for each place from 0 to width - 1: 1 where it is the place, else 0."""

    @abstractmethod
    def join(self, blocks: Sequence[Block]) -> Block:
        """Return the columns of several blocks side by side."""

    @abstractmethod
    def column(self, x: Block, at: int) -> Block:
        """Return one column as a block."""

    @abstractmethod
    def constant(self, like: Block, value: float, width: int) -> Block:
        """Return columns of one number, as many rows as another block."""

    @abstractmethod
    def numbers(self, x: Block) -> Block:
        """Return integers as numbers, truths as 1 and 0."""

    @abstractmethod
    def integers(self, x: Block) -> Block:
        """Return whole numbers as integers."""

    @abstractmethod
    def refuse(self, x: Block, refused: Block, why: Refusal) -> Block:
        """Return the block; where refused, what the target has for a value that must not be used."""

    @abstractmethod
    def list_hot(self, handle: ListHandle, values: Sequence[Any]) -> Block:
        """Return a number column a value: 1 where the list holds it."""

    @abstractmethod
    def list_has_unseen(self, handle: ListHandle, values: Sequence[Any]) -> Block:
        """Return where a list holds an item, not missing, that is none of the values."""

    @abstractmethod
    def list_items(self, handle: ListHandle, length: int, *, last: bool, fill: float) -> Block:
        """Return the first (or last) `length` numbers of a list as columns, filled up at the end."""


def row(constant: Constant) -> npt.NDArray[Any]:
    """Return a constant as an array (k,)."""
    return np.asarray(constant).reshape(-1)
