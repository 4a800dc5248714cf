"""Runs a query over proof rows in a DuckDB of its own and brings the result back as the transform's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.models.exports import sql_text
from likewise.models.exports.proof_rows import ProofRows
from likewise.models.exports.sql_query import SqlQuery, select
from likewise.transforms import Column, FittedTransform


@dataclass(frozen=True, slots=True, eq=False)
class SqlAnswer:
    """What a query gave.

    Parameters
    ----------
    tensors
        Per output its tensor, in the order of the rows.
    same_without_order
        Whether the very text that is written gives the same rows as the one with a row number to order by.
    """

    tensors: Mapping[str, npt.NDArray[Any]]
    same_without_order: bool


def run(fitted: FittedTransform, query: SqlQuery, table: str, proof: ProofRows) -> SqlAnswer:
    """Return what a query gives for the proof rows, in a database in memory."""
    number = _unused("row", [*proof.columns, *query.keep])
    rows = pa.array(np.arange(proof.rows))
    raw = {name: _arrow(column) for name, column in proof.columns.items()}
    raw |= {name: rows for name in query.keep if name not in raw} | {number: rows}
    numbered = select(fitted, table, [number, *query.keep])
    source, place = sql_text.identifier("raw columns"), sql_text.identifier(number)
    # Names are quoted, and the queries are our own text.
    without = f"SELECT * EXCLUDE ({place}) FROM answer"  # noqa: S608
    extra, lacking = f"({without} EXCEPT ALL ({query.text}))", f"(({query.text}) EXCEPT ALL {without})"
    with duckdb.connect(":memory:") as connection:
        connection.register("raw columns", pa.table(raw))
        connection.execute(f"CREATE TABLE {sql_text.identifier(table)} AS SELECT * FROM {source}")  # noqa: S608
        connection.execute(f"CREATE TABLE answer AS {numbered.text}")
        ordered = connection.execute(f"SELECT * FROM answer ORDER BY {place}").to_arrow_table()  # noqa: S608
        differing = connection.execute(f"SELECT count(*) FROM ({extra} UNION ALL {lacking})").fetchone()  # noqa: S608
    made = ordered.columns[1 + len(query.keep) :]
    columns = {(c.output, c.at): column for c, column in zip(query.columns, made, strict=True)}
    tensors = {}
    for spec in fitted.outputs:
        parts = [_values(columns[spec.name, at], spec.dtype) for at in range(len(spec.columns))]
        tensors[spec.name] = parts[0] if spec.width is None else np.stack(parts, axis=1)
    return SqlAnswer(tensors, differing == (0,))


def _unused(name: str, taken: list[str]) -> str:
    while name.casefold() in {other.casefold() for other in taken}:
        name += "_"
    return name


def _arrow(column: Column) -> pa.Array:
    """Return a column as a table holds it; every second missing number as NaN, the others as null."""
    if not column.type.is_numeric or column.integers is not None:
        return column.arrow()
    if column.type.value == "boolean":
        return column.arrow()
    null = column.is_missing() & (np.arange(len(column)) % 2 == 0)
    return pa.array(column.values, mask=null, from_pandas=False)


def _values(column: pa.ChunkedArray, dtype: str) -> npt.NDArray[Any]:
    array = column.combine_chunks()
    if dtype == "float32":
        return np.asarray(array.to_numpy(zero_copy_only=False))
    return np.asarray(array.fill_null(-1).to_numpy(zero_copy_only=False))
