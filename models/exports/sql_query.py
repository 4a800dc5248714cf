"""A fitted transform as one DuckDB SELECT over a named table, its state inlined as literals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from likewise.models.exports import sql_text
from likewise.models.exports.algebra import Block, ListHandle
from likewise.models.exports.columns import ExportColumn, NumberColumn, RawList, RawText, TimeColumn
from likewise.models.exports.encoding import exact_integers
from likewise.models.exports.errors import ExportNameError
from likewise.models.exports.lowering import lowered
from likewise.models.exports.sql_algebra import SqlAlgebra
from likewise.models.exports.sql_nodes import Node, Query, Selected
from likewise.models.exports.tables import check_exportable
from likewise.transforms import FittedTransform, InputSpec, LogicalType, OutputSpec

# Half way from the largest float32 to the next power of two: from here on a cast would be out of range.
_BEYOND_FLOAT = "3.4028235677973366e+38"


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column of the result: its name there, the output it belongs to and its place in that."""

    name: str
    output: str
    at: int


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A SELECT and what its columns are.

    Parameters
    ----------
    text
        The statement, without a semicolon.
    columns
        Of the transform, in order of outputs.
    keep
        Raw columns that stand first, as they are.
    """

    text: str
    columns: tuple[SqlColumn, ...]
    keep: tuple[str, ...]


def select(fitted: FittedTransform, table: str, keep: Sequence[str] = ()) -> SqlQuery:
    """Return the query that gives a transform's outputs; the same artifact gives the same text.

    Parameters
    ----------
    fitted
        The transform.
    table
        The table (or the path of a file DuckDB reads) that holds the raw columns.
    keep
        Columns of the table to hand through, such as keys: a result of SQL has no order.

    Raises
    ------
    ExportUnavailableError
        When a step has no SQL form.
    ExportNameError
        When names of inputs differ in case only.
    """
    check_exportable(fitted, "sql")
    _check_names([spec.name for spec in fitted.inputs])
    exact = exact_integers(fitted)
    base, columns, raw = [], dict[str, ExportColumn](), dict[str, Node]()
    algebra = SqlAlgebra(raw)
    for at, spec in enumerate(fitted.inputs):
        base.append(f"{_raw(spec, exact=spec.name in exact)} AS i{at}")
        columns[spec.name] = _column(algebra, raw, spec, f"i{at}", exact=spec.name in exact)
    blocks = lowered(fitted, "sql", columns.__getitem__)
    names = result_columns(fitted.outputs, keep)
    base += [f"{sql_text.identifier(name)} AS k{at}" for at, name in enumerate(keep)]
    kept = [Selected(Node((f"k{at}",)), sql_text.identifier(name)) for at, name in enumerate(keep)]
    made = [Selected(_result(algebra, blocks[c.output], c.at), sql_text.identifier(c.name)) for c in names]
    text = Query([*kept, *made]).text(base, sql_text.identifier(table))
    return SqlQuery(text, names, tuple(keep))


def result_columns(outputs: Sequence[OutputSpec], keep: Sequence[str] = ()) -> tuple[SqlColumn, ...]:
    """Return the result's columns: named as the transform's, with the output in front where names would collide.

    DuckDB takes names that differ in case only for one.
    """
    every = [name.casefold() for spec in outputs for name in spec.columns] + [name.casefold() for name in keep]
    given, columns = {name.casefold() for name in keep}, []
    for spec in outputs:
        for at, name in enumerate(spec.columns):
            plain = name if every.count(name.casefold()) == 1 else f"{spec.name}.{name}"
            unique, times = plain, 1
            while unique.casefold() in given:
                times += 1
                unique = f"{plain}#{times}"
            given.add(unique.casefold())
            columns.append(SqlColumn(unique, spec.name, at))
    return tuple(columns)


def _check_names(names: Sequence[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        if name.casefold() in known:
            raise ExportNameError("DuckDB", known[name.casefold()], name)
        known[name.casefold()] = name


def _raw(spec: InputSpec, *, exact: bool) -> str:
    """Return a raw column as the transform takes it."""
    name, element = sql_text.identifier(spec.name), spec.type.element
    if element is LogicalType.TIME:
        return f"list_transform({name}, lambda item: epoch_us(item))" if spec.type.is_list else f"epoch_us({name})"
    kind = {LogicalType.TEXT: "VARCHAR", LogicalType.BYTES: "BLOB"}.get(element, "BIGINT" if exact else "DOUBLE")
    cast = f"CAST({name} AS {kind}{'[]' if spec.type.is_list else ''})"
    # NaN is missing as null is, and -0 is 0.
    return f"nullif({cast}, 'nan'::DOUBLE) + 0e0" if cast.endswith("DOUBLE)") else cast


def _column(algebra: SqlAlgebra, raw: dict[str, Node], spec: InputSpec, name: str, *, exact: bool) -> ExportColumn:
    node = Node((name,), whole=exact or spec.type is LogicalType.TIME)
    missing = algebra.block([algebra.truth("(", node, " IS NULL)")])
    if spec.type.is_list:
        raw[spec.name] = node
        element = spec.type.element
        return RawList(ListHandle(spec.name, "number" if element.is_numeric else element.value), missing)
    if spec.type in (LogicalType.TEXT, LogicalType.BYTES):
        raw[spec.name] = node
        return RawText(algebra, spec.name)
    block = algebra.block([node])
    if spec.type is LogicalType.TIME:
        return TimeColumn(block, missing)
    if exact:
        return NumberColumn(algebra.where(missing, math.nan, algebra.numbers(block)), block)
    return NumberColumn(block)


def _result(algebra: SqlAlgebra, block: Block, at: int) -> Node:
    """Return a column as INTEGER for codes, as FLOAT for numbers: infinite beyond float32, null where missing."""
    node = block.held[at]
    if node.whole:
        return algebra.node("CAST(", node, " AS INTEGER)")
    if node.pieces[0] == "CASE WHEN " and node.pieces[-1] == " THEN 1e0 ELSE 0e0 END":
        return algebra.node("CAST(", node, " AS FLOAT)")
    n = algebra.clean(node)
    beyond = ("CASE WHEN abs(", n, f") >= {_BEYOND_FLOAT} THEN sign(", n, ") * 'inf'::DOUBLE")
    return algebra.node("CAST(", *beyond, " ELSE ", n, " END AS FLOAT)")
