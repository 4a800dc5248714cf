"""Blocks as float64 and int64 tensors (n, k) of a Keras graph, made of Keras' own operations and layers only.

So a saved model loads wherever Keras does, in safe mode, without our code. TensorFlow's graph optimizer turns
x / constant into x * (1 / constant) and joins constants of neighbouring steps, which changes last bits and so,
at an edge, codes (seen with 2.21). Where bits matter a constant is therefore tied to the data, out of its sight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.models.exports.algebra import (
    Algebra,
    Arithmetic,
    Block,
    Comparison,
    Constant,
    Function,
    ListHandle,
    Refusal,
    row,
)
from likewise.models.exports.encoding import LENGTH, MISSING_INTEGER, MISSING_TEXT
from likewise.models.tensorflow_import import import_keras

# Never a category: one that is the mark of missing values is refused before.
_UNKNOWN = MISSING_TEXT * 2


class KerasAlgebra(Algebra):
    """Computes in a Keras graph.

    Parameters
    ----------
    tensors
        The `keras.Input` of every fed input by name.

    Attributes
    ----------
    refused
        Tensors (n, 1) or (n, k): where a policy of "error" refused what came.
    """

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self._keras = import_keras()
        self._ops = self._keras.ops
        self._tensors = tensors
        self._known: dict[tuple[Any, ...], Block] = {}
        self.refused: list[Any] = []

    def block(self, tensor: Any) -> Block:
        """Return a tensor (n,) or (n, k) as a block."""
        held = self._ops.expand_dims(tensor, 1) if len(tensor.shape) == 1 else tensor
        return Block(self, held, int(held.shape[1]))

    def arithmetic(self, sign: Arithmetic, a: Block | Constant, b: Block | Constant) -> Block:
        """Return a + b, a - b, a * b or a / b."""
        left, right = self._operand(a, b), self._operand(b, a)
        names = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
        return self.block(getattr(self._ops, names[sign])(left, right))

    def _operand(self, x: Block | Constant, beside: Block | Constant) -> Any:
        if isinstance(x, Block):
            return x.held
        if not isinstance(beside, Block):
            raise TypeError("an operation needs a block")
        constant = self._constant(x, beside)
        if constant.dtype == np.int64:
            return constant
        return self._ops.where(self._ops.isnan(beside.held), np.float64(1.0).reshape(1, 1), constant)

    def _constant(self, x: Constant, beside: Block) -> npt.NDArray[Any]:
        return row(x).astype(_dtype(beside)).reshape(1, -1)

    def compare(self, sign: Comparison, a: Block, b: Block | Constant) -> Block:
        """Return truths."""
        names = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "=": "equal"}
        right = b.held if isinstance(b, Block) else self._constant(b, a)
        return self.block(getattr(self._ops, names[sign])(a.held, right))

    def both(self, a: Block, b: Block) -> Block:
        """Return a and b."""
        return self.block(self._ops.logical_and(a.held, b.held))

    def either(self, a: Block, b: Block) -> Block:
        """Return a or b."""
        return self.block(self._ops.logical_or(a.held, b.held))

    def negated(self, a: Block) -> Block:
        """Return not a."""
        return self.block(self._ops.logical_not(a.held))

    def where(self, condition: Block, then: Block | Constant, otherwise: Block | Constant) -> Block:
        """Return one or the other."""
        like = then if isinstance(then, Block) else otherwise
        if not isinstance(like, Block):
            raise TypeError("an operation needs a block")
        held = [x.held if isinstance(x, Block) else self._constant(x, like) for x in (then, otherwise)]
        return self.block(self._ops.where(condition.held, *held))

    def is_missing(self, x: Block) -> Block:
        """Return where NaN."""
        return self.block(self._ops.isnan(x.held))

    def call(self, name: Function, x: Block) -> Block:
        """Return a function of numbers."""
        return self.block(getattr(self._ops, "absolute" if name == "abs" else name)(x.held))

    def remainder(self, x: Block, period: float) -> Block:
        """Return the remainder, as the period's sign."""
        return self.block(self._ops.mod(x.held, np.full((1, 1), period)))

    def divided(self, x: Block, by: int) -> Block:
        """Return x // by."""
        return self.block(self._ops.floor_divide(x.held, self._constant(by, x)))

    def modulo(self, x: Block, by: int) -> Block:
        """Return x % by."""
        return self.block(self._ops.mod(x.held, self._constant(by, x)))

    def count_at_or_below(self, x: Block, edges: npt.NDArray[Any]) -> Block:
        """Return the place by bisection."""
        if not len(edges):
            return self.integers(self.constant(x, 0.0, 1))
        first = self._constant(edges[0], x)
        # Where NaN would go is not defined.
        held = x.held if _dtype(x) == "int64" else self._ops.where(self._ops.isnan(x.held), first, x.held)
        flat = self._ops.squeeze(held, 1)
        found = self._ops.searchsorted(np.array(edges, dtype=_dtype(x)), flat, side="right")
        return self.block(self._ops.cast(found, "int64"))

    def pick(self, table: npt.NDArray[Any], place: Block) -> Block:
        """Return table entries."""
        dtype = np.float64 if table.dtype.kind == "f" else np.int64
        return self.block(self._ops.take(np.array(table, dtype=dtype), place.held, axis=0))

    def place_among(self, x: Block, values: Sequence[Any], missing: Block) -> Block:
        """Return places by bisection among the sorted values."""
        size = len(values)
        if not size:
            return self.where(missing, 1, self.integers(self.constant(missing, 0.0, 1)))
        numbers = np.array(values, dtype=_dtype(x))
        order = np.argsort(numbers)
        at = self.count_at_or_below(x, numbers[order][1:])
        found = self.pick(numbers[order], at).equals(x)
        place = self.where(found, self.pick(order, at), size)
        return self.where(missing, size + 1, place)

    def place_of_text(self, name: str, values: Sequence[Any]) -> Block:
        """Return places by a lookup layer."""
        key = (name, tuple(values))
        if key not in self._known:
            self._known[key] = self._places(self._tensors[name], values)
        return self._known[key]

    def _places(self, tensor: Any, values: Sequence[Any]) -> Block:
        texts = [value.decode() if isinstance(value, bytes) else value for value in values]
        # A text that is no UTF-8 can't be fed, so it needs no entry; its place stays.
        kept = [at for at, text in enumerate(texts) if _is_encodable(text)]
        layer = self._keras.layers.StringLookup(
            vocabulary=[*(texts[at] for at in kept), MISSING_TEXT], mask_token=None, oov_token=_UNKNOWN
        )
        table = np.array([len(texts), *kept, len(texts) + 1])
        place = layer(tensor)
        held = place if len(place.shape) == 2 else self._ops.expand_dims(place, 1)
        return Block(self, self._ops.take(table, held, axis=0), 1)

    def one_hot(self, place: Block, width: int) -> Block:
        """Return 1 at the place."""
        return self.numbers(self.block(self._ops.equal(place.held, np.arange(width, dtype=np.int64).reshape(1, -1))))

    def join(self, blocks: Sequence[Block]) -> Block:
        """Return columns side by side."""
        held = [block.held for block in blocks]
        return blocks[0] if len(held) == 1 else self.block(self._ops.concatenate(held, axis=1))

    def column(self, x: Block, at: int) -> Block:
        """Return one column."""
        return x if x.width == 1 else self.block(self._ops.take(x.held, np.array([at]), axis=1))

    def constant(self, like: Block, value: float, width: int) -> Block:
        """Return columns of one number."""
        one = self._ops.cast(self._ops.ones_like(self.column(like, 0).held), "float64")
        return self.block(self._ops.multiply(one, np.full((1, width), value)))

    def numbers(self, x: Block) -> Block:
        """Return float64."""
        return self.block(self._ops.cast(x.held, "float64"))

    def integers(self, x: Block) -> Block:
        """Return int64."""
        return self.block(self._ops.cast(x.held, "int64"))

    def refuse(self, x: Block, refused: Block, why: Refusal) -> Block:  # noqa: ARG002 - a graph has no words
        """Return NaN for refused numbers, -1 for refused codes, and note where."""
        self.refused.append(refused.held)
        return self.where(refused, math.nan if _dtype(x) == "float64" else -1, x)

    def list_hot(self, handle: ListHandle, values: Sequence[Any]) -> Block:
        """Return 1 where the list holds the value."""
        return self.block(self._ops.cast(self._ops.any(self._item_is(handle, values), axis=1), "float64"))

    def list_has_unseen(self, handle: ListHandle, values: Sequence[Any]) -> Block:
        """Return where an item within the list, not missing, is no value."""
        absent = self._ops.squeeze(self._item_is(handle, [None]), 2)
        known = self._ops.any(self._item_is(handle, [None, *values]), axis=2)
        inside = self._within(handle, absent)
        return self.block(self._ops.any(self._ops.logical_and(inside, self._ops.logical_not(known)), axis=1))

    def _item_is(self, handle: ListHandle, values: Sequence[Any]) -> Any:
        """Return (n, L, V) truths: an item within the list is the value; None is the missing one."""
        items = self._tensors[handle.name]
        if handle.element in ("text", "bytes"):
            present = [value for value in values if value is not None]
            places = self._places(items, present).held
            wanted = np.array([present.index(v) if v is not None else len(present) + 1 for v in values])
            same = self._ops.equal(self._ops.expand_dims(places, 2), wanted.reshape(1, 1, -1))
        elif handle.element == "time":
            ticks = np.array([MISSING_INTEGER if v is None else v for v in values], dtype=np.int64)
            same = self._ops.equal(self._ops.expand_dims(items, 2), ticks.reshape(1, 1, -1))
        else:
            same = self._number_is(self._ops.expand_dims(items, 2), values)
        inside = self._within(handle, self._ops.any(same, axis=2))
        return self._ops.logical_and(same, self._ops.expand_dims(inside, 2))

    def _number_is(self, items: Any, values: Sequence[Any]) -> Any:
        numbers = np.array([math.inf if v is None else v for v in values], dtype=np.float64).reshape(1, 1, -1)
        absent = np.array([v is None for v in values]).reshape(1, 1, -1)
        return self._ops.where(absent, self._ops.isnan(items), self._ops.equal(items, numbers))

    def _within(self, handle: ListHandle, like: Any) -> Any:
        """Return (n, L) whether a place lies within its list, for some tensor of that shape."""
        position = self._ops.cumsum(self._ops.cast(self._ops.ones_like(like), "int64"), axis=1)
        return self._ops.less_equal(position, self._ops.expand_dims(self._tensors[handle.name + LENGTH], 1))

    def list_items(self, handle: ListHandle, length: int, *, last: bool, fill: float) -> Block:
        """Return items by position."""
        ops, lengths = self._ops, self._ops.expand_dims(self._tensors[handle.name + LENGTH], 1)
        first = ops.maximum(lengths - np.int64(length), 0) if last else lengths * np.int64(0)
        position = ops.add(first, np.arange(length, dtype=np.int64).reshape(1, -1))
        # Made longer first, so that every position is one.
        blank = ops.multiply(ops.cast(lengths, "float64"), np.zeros((1, length)))
        items = ops.take_along_axis(ops.concatenate([self._tensors[handle.name], blank], axis=1), position, axis=1)
        return self.block(ops.where(ops.less(position, lengths), items, np.full((1, 1), fill)))


def _dtype(block: Block) -> str:
    return str(block.held.dtype)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
