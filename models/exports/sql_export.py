"""Writes a SQL export: one SELECT under a comment that says of what, how it is fed and how far it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from likewise.models.exports.errors import ExportBoundError
from likewise.models.exports.export_place import check_place, draft_beside
from likewise.models.exports.proof import BOUND, Measured, prove
from likewise.models.exports.proof_rows import proof_rows
from likewise.models.exports.sql_proof import run
from likewise.models.exports.sql_query import SqlQuery, select
from likewise.models.exports.sql_text import comment
from likewise.transforms import FittedTransform

_FIRST_LINE = "-- Likewise SQL export"


@dataclass(frozen=True, slots=True)
class SqlExport:
    """What was written, and what was measured of it.

    Parameters
    ----------
    path
        The file.
    query
        The SELECT and its columns.
    measured
        Of each output of the transform.
    """

    path: Path
    query: SqlQuery
    measured: tuple[Measured, ...]


def export_sql(fitted: FittedTransform, path: Path, table: str, keep: Sequence[str] = ()) -> SqlExport:
    """Write a fitted transform as one DuckDB SELECT over `table`.

    Raises
    ------
    ExportUnavailableError
        When a step has no SQL form.
    ExportPathError
        When something foreign is at `path`.
    ExportBoundError
        When DuckDB gives other outputs than the transform, beyond the bound.
    """
    query = select(fitted, table, keep)
    check_place(path, _is_export, "SQL", is_folder=False)
    proof = proof_rows(fitted)
    answer = run(fitted, query, table, proof)
    measured = prove("SQL", fitted.outputs, proof, answer.tensors)
    if not answer.same_without_order:
        raise ExportBoundError("SQL", ["the statement gives other rows alone than beside a row number"])
    with draft_beside(path) as draft:
        draft.write_text("\n".join([*_header(fitted, query, measured), query.text + ";", ""]), encoding="utf-8")
    return SqlExport(path, query, measured)


def _is_export(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as held:
        return held.read(len(_FIRST_LINE)) == _FIRST_LINE.encode()


def _header(fitted: FittedTransform, query: SqlQuery, measured: Sequence[Measured]) -> list[str]:
    """Return the comment, without a time: the same artifact gives the same file."""
    return [
        f"{_FIRST_LINE} (DuckDB {version('duckdb')})",
        comment(f"transform {fitted.name} {fitted.digest}"),
        comment(f"bound: floats within {BOUND:g} of their size or their column's usual size, codes equal"),
        *(comment(_measured(one)) for one in measured),
        "-- null and NaN both are missing; a missing result is null; rows have no order: keep a key (--keep)",
        "-- a value that a policy of 'error' refuses fails the query",
        *(comment(f"output {column.output} [{column.at}] is column {column.name}") for column in query.columns),
    ]


def _measured(one: Measured) -> str:
    return (
        f"measured: output {one.output}: {one.rows} rows ({one.golden_rows} golden), {one.values_that_differ} values "
        f"differ, at most {one.largest_absolute:.2g} absolute, {one.largest_relative:.2g} relative"
    )
