"""Expressions of a query as a graph, and the query that computes each shared one once.

What is used more than once gets a name in a common table expression; layer by layer, each reads the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An expression: texts and other expressions in a row.

    Parameters
    ----------
    pieces
        Texts and nodes.
    may_be_nan
        Whether it can be NaN, which DuckDB takes for the greatest number; null is what missing means here.
    whole, is_truth
        Whether it is an integer; a truth.
    keys
        For a lookup: the keys, as texts; the pieces are then what is looked up, and the result is the place of the
        key, from 0, or null.
    """

    pieces: tuple[str | Node, ...]
    may_be_nan: bool = False
    whole: bool = False
    is_truth: bool = False
    keys: tuple[str, ...] | None = None

    @property
    def children(self) -> list[Node]:
        """The nodes among the pieces."""
        return [piece for piece in self.pieces if isinstance(piece, Node)]

    @property
    def is_plain(self) -> bool:
        """Whether naming it would save nothing: a constant, or a raw column."""
        return not self.children and self.keys is None


@dataclass(frozen=True, slots=True)
class Selected:
    """A column of the result: an expression under a name, both as they stand in the query."""

    node: Node
    name: str


class Query:
    """Lays nodes out in layers; used once."""

    def __init__(self, selected: Sequence[Selected]) -> None:
        self._selected = tuple(selected)
        self._uses: dict[Node, int] = {}
        self._names: dict[Node, str] = {}
        self._layer: dict[Node, int] = {}
        self._defined: list[list[str]] = []
        self._joined: list[list[str]] = []
        for one in self._selected:
            self._count(one.node)

    def _count(self, root: Node) -> None:
        pending = [root]
        while pending:
            node = pending.pop()
            self._uses[node] = self._uses.get(node, 0) + 1
            if self._uses[node] == 1:
                pending.extend(node.children)

    def text(self, base: Sequence[str], source: str) -> str:
        """Return the query: `base` are the columns of the first layer, `source` the quoted table."""
        chosen = [f"  {self._expression(one.node)} AS {one.name}" for one in self._selected]
        layers = ["layer0 AS (\n  SELECT\n" + ",\n".join(f"    {line}" for line in base) + f"\n  FROM {source}\n)"]
        for at, (defined, joined) in enumerate(zip(self._defined, self._joined, strict=True), 1):
            before = f"layer{at - 1}"
            lines = ",\n".join(f"    {line}" for line in [f"{before}.*", *defined])
            joins = "".join(f"\n  LEFT JOIN {join}" for join in joined)
            layers.append(f"layer{at} AS (\n  SELECT\n{lines}\n  FROM {before}{joins}\n)")
        return f"WITH {', '.join(layers)}\nSELECT\n" + ",\n".join(chosen) + f"\nFROM layer{len(self._defined)}"

    def _expression(self, node: Node) -> str:
        """Return a node's text; named ones are defined on the way, in the first layer that can."""
        if node in self._names:
            return self._names[node]
        pieces = [self._expression(piece) if isinstance(piece, Node) else piece for piece in node.pieces]
        layer = max((self._layer[child] for child in node.children), default=0)
        written = "".join(pieces)
        named = node.keys is not None or (self._uses[node] > 1 and not node.is_plain)
        self._layer[node] = layer + named
        if named:
            self._names[node] = self._define(node, written, layer)
        return self._names.get(node, written)

    def _define(self, node: Node, written: str, layer: int) -> str:
        while len(self._defined) <= layer:
            self._defined.append([])
            self._joined.append([])
        name = f"v{len(self._names)}"
        if node.keys is None:
            self._defined[layer].append(f"{written} AS {name}")
        else:
            listed = ", ".join(node.keys)
            table = f"(SELECT unnest([{listed}]) AS key, unnest(range({len(node.keys)})) AS place) AS t{name}"
            self._joined[layer].append(f"{table} ON {written} = t{name}.key")
            self._defined[layer].append(f"t{name}.place AS {name}")
        return name
