"""Blocks as DuckDB expressions: numbers are DOUBLE, integers BIGINT, missing is null, never NaN where it is compared.

DuckDB's `greatest` and `least` pass over nulls, NaN is its greatest number, and 7 // -2 cuts towards zero: so
bounds are `CASE`s, results that may be NaN become null before they are compared, and no negative integer is divided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.models.exports import sql_text
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
from likewise.models.exports.sql_nodes import Node

Nodes = tuple[Node, ...]
# Below this many categories comparisons are quicker than a join (and easier to read).
_FEW = 16


class SqlAlgebra(Algebra):
    """Makes expressions; equal ones are one node, so that each is computed once.

    Parameters
    ----------
    columns
        The expression of each raw text, bytes or list column.
    """

    def __init__(self, columns: dict[str, Node]) -> None:
        self._columns = columns
        self._made: dict[tuple[Any, ...], Node] = {}

    def node(self, *pieces: str | Node, nan: bool = False, whole: bool = False) -> Node:
        """Return the node of a number or integer."""
        return self._known(Node(pieces, nan, whole))

    def truth(self, *pieces: str | Node) -> Node:
        """Return the node of a truth."""
        return self._known(Node(pieces, is_truth=True))

    def _known(self, node: Node) -> Node:
        return self._made.setdefault((node.pieces, node.may_be_nan, node.whole, node.is_truth, node.keys), node)

    def clean(self, node: Node) -> Node:
        """Return a number that is null where it would be NaN."""
        return self.node("nullif(", node, ", 'nan'::DOUBLE)") if node.may_be_nan else node

    def block(self, nodes: Sequence[Node]) -> Block:
        """Return nodes as a block."""
        return Block(self, tuple(nodes), len(nodes))

    def _each(self, make: Callable[..., Node], *operands: Block | Constant) -> Block:
        """Apply column by column; blocks of one column and constants are spread, constants as the blocks' type."""
        blocks = [x for x in operands if isinstance(x, Block)]
        whole = all(node.whole for x in blocks for node in x.held)
        held = [x.held if isinstance(x, Block) else self._constants(x, whole=whole) for x in operands]
        width = max(len(nodes) for nodes in held)
        spread = [nodes * width if len(nodes) == 1 else nodes for nodes in held]
        return self.block([make(*each) for each in zip(*spread, strict=True)])

    def _constants(self, constant: Constant, *, whole: bool) -> Nodes:
        write = sql_text.integer if whole else sql_text.number
        return tuple(self.node(write(value), whole=whole) for value in row(constant).tolist())

    def arithmetic(self, sign: Arithmetic, a: Block | Constant, b: Block | Constant) -> Block:
        """Return a + b, a - b, a * b or a / b."""

        def make(x: Node, y: Node) -> Node:
            whole = x.whole and y.whole
            return self.node("(", x, f" {sign} ", y, ")", nan=not whole, whole=whole)

        return self._each(make, a, b)

    def compare(self, sign: Comparison, a: Block, b: Block | Constant) -> Block:
        """Return truths; null, which counts as false, for missing numbers."""
        return self._each(lambda x, y: self.truth("(", self.clean(x), f" {sign} ", self.clean(y), ")"), a, b)

    def both(self, a: Block, b: Block) -> Block:
        """Return a and b."""
        return self._each(lambda x, y: self.truth("(", x, " AND ", y, ")"), a, b)

    def either(self, a: Block, b: Block) -> Block:
        """Return a or b."""
        return self._each(lambda x, y: self.truth("(", x, " OR ", y, ")"), a, b)

    def negated(self, a: Block) -> Block:
        """Return not a."""
        return self._each(lambda x: self.truth("(NOT coalesce(", x, ", false))"), a)

    def where(self, condition: Block, then: Block | Constant, otherwise: Block | Constant) -> Block:
        """Return one or the other."""
        blocks = [x for x in (then, otherwise) if isinstance(x, Block)]
        whole = all(node.whole for x in blocks for node in x.held)
        first, second = (
            x if isinstance(x, Block) else self.block(self._constants(x, whole=whole)) for x in (then, otherwise)
        )

        def make(c: Node, x: Node, y: Node) -> Node:
            pieces = ("CASE WHEN ", c, " THEN ", x, " ELSE ", y, " END")
            return self.node(*pieces, nan=x.may_be_nan or y.may_be_nan, whole=whole)

        return self._each(make, condition, first, second)

    def is_missing(self, x: Block) -> Block:
        """Return where null or NaN."""
        return self._each(lambda n: self.truth("(", self.clean(n), " IS NULL)"), x)

    def call(self, name: Function, x: Block) -> Block:
        """Return a function of numbers; where DuckDB would raise an error, null."""
        return self._each(lambda n: _CALLS[name](self, n), x)

    def remainder(self, x: Block, period: float) -> Block:
        """Return the remainder, as the number's sign."""
        return self._each(lambda n: self.node("(", n, f" % {sql_text.number(period)})", nan=True), x)

    def divided(self, x: Block, by: int) -> Block:
        """Return x // by."""
        return self._each(lambda n: self.node("(", n, f" // {by})", whole=True), x)

    def modulo(self, x: Block, by: int) -> Block:
        """Return x % by."""
        return self._each(lambda n: self.node("(", n, f" % {by})", whole=True), x)

    def count_at_or_below(self, x: Block, edges: npt.NDArray[Any]) -> Block:
        """Return the place by comparisons in a tree."""
        looked_at = self.clean(x.held[0])
        write = sql_text.integer if looked_at.whole else sql_text.number
        written = [write(edge) for edge in edges.tolist()]
        return self.block([self._tree(looked_at, written, 0, len(written))])

    def _tree(self, x: Node, edges: Sequence[str], low: int, high: int) -> Node:
        if low == high:
            return self.node(str(low), whole=True)
        middle = (low + high) // 2
        less, more = self._tree(x, edges, low, middle), self._tree(x, edges, middle + 1, high)
        return self.node("CASE WHEN ", x, f" < {edges[middle]} THEN ", less, " ELSE ", more, " END", whole=True)

    def pick(self, table: npt.NDArray[Any], place: Block) -> Block:
        """Return the entry of a constant list."""
        whole = table.dtype.kind != "f"
        values, at = table.tolist(), place.held[0]
        if whole and values == list(range(len(values))):
            return place
        if len(set(map(repr, values))) == 1:
            return self.block(self._constants(values[0], whole=whole))
        return self.block([self.node(f"list_extract({sql_text.list_of(values)}, ", at, " + 1)", whole=whole)])

    def place_among(self, x: Block, values: Sequence[Any], missing: Block) -> Block:
        """Return places by comparisons, or by a join when there are many values."""
        looked_at = self.clean(x.held[0])
        written = [sql_text.integer(int(v)) if looked_at.whole else sql_text.number(float(v)) for v in values]
        return self._placed(looked_at, written, missing)

    def _placed(self, x: Node, written: Sequence[str], missing: Block) -> Block:
        size = len(written)
        if size > _FEW:
            found = self._known(Node((x,), whole=True, keys=tuple(written)))
            rest = self.node("coalesce(", found, f", {size})", whole=True)
        elif size:
            cases = [piece for at, text in enumerate(written) for piece in (" WHEN ", x, f" = {text} THEN {at}")]
            rest = self.node("CASE", *cases, f" ELSE {size} END", whole=True)
        else:
            rest = self.node("0", whole=True)
        return self.where(missing, size + 1, self.block([rest]))

    def place_of_text(self, name: str, values: Sequence[Any]) -> Block:
        """Return places of a raw text or bytes column."""
        x = self._columns[name]
        missing = self.block([self.truth("(", x, " IS NULL)")])
        kept = [at for at, value in enumerate(values) if _is_writable(value)]
        place = self._placed(x, [sql_text.literal(values[at]) for at in kept], missing)
        # A text that is no UTF-8 is none of DuckDB's, so it needs no entry; the places of others stay.
        return self.pick(np.array([*kept, len(values), len(values) + 1]), place)

    def one_hot(self, place: Block, width: int) -> Block:
        """Return 1 at the place."""
        at = place.held[0]
        return self.block([self.node("CASE WHEN ", at, f" = {i} THEN 1e0 ELSE 0e0 END") for i in range(width)])

    def join(self, blocks: Sequence[Block]) -> Block:
        """Return columns side by side."""
        return self.block([node for block in blocks for node in block.held])

    def column(self, x: Block, at: int) -> Block:
        """Return one column."""
        return self.block([x.held[at]])

    def constant(self, like: Block, value: float, width: int) -> Block:  # noqa: ARG002 - rows come of themselves
        """Return columns of one number."""
        return self.block([self.node(sql_text.number(value))] * width)

    def numbers(self, x: Block) -> Block:
        """Return DOUBLE; a truth that is null is 0."""
        return self._each(self._number, x)

    def _number(self, node: Node) -> Node:
        if node.whole:
            return self.node("CAST(", node, " AS DOUBLE)")
        return self.node("CASE WHEN ", node, " THEN 1e0 ELSE 0e0 END") if node.is_truth else node

    def integers(self, x: Block) -> Block:
        """Return BIGINT."""
        return self._each(lambda n: n if n.whole else self.node("CAST(", n, " AS BIGINT)", whole=True), x)

    def refuse(self, x: Block, refused: Block, why: Refusal) -> Block:
        """Return an error where refused."""
        error = sql_text.text(str(why))

        def make(c: Node, n: Node) -> Node:
            return self.node("CASE WHEN ", c, f" THEN error({error}) ELSE ", n, " END", nan=n.may_be_nan, whole=n.whole)

        return self._each(make, refused, x)

    def list_hot(self, handle: ListHandle, values: Sequence[Any]) -> Block:
        """Return 1 where the list holds the value."""
        x = self._columns[handle.name]
        return self.block(
            [
                self.node("CASE WHEN list_contains(", x, f", {sql_text.literal(v)}) THEN 1e0 ELSE 0e0 END")
                for v in values
            ]
        )

    def list_has_unseen(self, handle: ListHandle, values: Sequence[Any]) -> Block:
        """Return where an item is none of the values."""
        x = self._columns[handle.name]
        known = sql_text.list_of(values)
        present = "item IS NOT NULL AND NOT isnan(item)" if handle.element == "number" else "item IS NOT NULL"
        kept = (
            f"lambda item: {present} AND NOT list_contains({known}, item)" if len(values) else f"lambda item: {present}"
        )
        return self.block([self.truth("(len(list_filter(", x, f", {kept})) > 0)")])

    def list_items(self, handle: ListHandle, length: int, *, last: bool, fill: float) -> Block:
        """Return items by position."""
        x = self._columns[handle.name]
        size = self.node("coalesce(len(", x, "), 0)", whole=True)
        before = self.node("greatest(", size, f" - {length}, 0)", whole=True) if last else self.node("0", whole=True)
        items = []
        for at in range(1, length + 1):
            place = self.node("(", before, f" + {at})", whole=True)
            pieces = ("CASE WHEN ", place, " <= ", size, " THEN ", x, "[", place, f"] ELSE {sql_text.number(fill)} END")
            items.append(self.node(*pieces, nan=True))
        return self.block(items)


def _plain(name: str) -> Callable[[SqlAlgebra, Node], Node]:
    return lambda algebra, n: algebra.node(f"{name}(", n, ")", nan=n.may_be_nan)


def _guarded(name: str, condition: str) -> Callable[[SqlAlgebra, Node], Node]:
    def make(algebra: SqlAlgebra, node: Node) -> Node:
        n = algebra.clean(node)
        return algebra.node("CASE WHEN ", n, f" {condition} THEN {name}(", n, ") END")

    return make


def _log1p(algebra: SqlAlgebra, node: Node) -> Node:
    """Return log(1 + x) with what the sum 1 + x lost put back; DuckDB has no function for it."""
    n = algebra.clean(node)
    whole = algebra.node("(1e0 + ", n, ")")
    log = _CALLS["log"](algebra, whole)
    lost = algebra.node(
        "CASE WHEN abs(", n, ") < 1e0 THEN ", n, " - (", whole, " - 1e0) ELSE 1e0 - (", whole, " - ", n, ") END"
    )
    infinite = algebra.truth("(", whole, " = 'inf'::DOUBLE)")
    return algebra.node("CASE WHEN ", infinite, " THEN ", log, " ELSE ", log, " + (", lost, ") / ", whole, " END")


_CALLS: dict[str, Callable[[SqlAlgebra, Node], Node]] = {
    "abs": _plain("abs"),
    "floor": _plain("floor"),
    "sin": _plain("sin"),
    "cos": _plain("cos"),
    "sqrt": _guarded("sqrt", ">= 0e0"),
    "log": _guarded("ln", "> 0e0"),
    "log1p": _log1p,
}


def _is_writable(value: Any) -> bool:
    try:
        return not isinstance(value, str) or value.encode() is not None
    except UnicodeEncodeError:
        return False
