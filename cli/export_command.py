"""`likewise export`: a transform as a Keras model or as SQL, proved before it is written."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from likewise.cli.progress import StepLog, terminal
from likewise.cli.registry_access import open_registry
from likewise.cli.transform_access import open_transform
from likewise.models.exports.errors import ModelNotExportableError
from likewise.models.exports.keras_export import PREDICTION_BOUND, KerasExport, ReleaseModel, export_keras
from likewise.models.exports.proof import BOUND, Measured
from likewise.models.exports.tables import check_exportable
from likewise.transforms import FittedTransform
from likewise.transforms.errors import LikewiseError
from likewise.transforms.registry import Release

app = typer.Typer(add_completion=False)


class Format(StrEnum):
    """What a transform can be exported to."""

    KERAS = "keras"
    SQL = "sql"


class OptionError(LikewiseError):
    """An option that the chosen format has no use for."""

    def __init__(self, option: str, target: str) -> None:
        self.option, self.target = option, target
        super().__init__(f"{option}: expected with --to sql only, got --to {target}. Leave it out.")


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be exported: a transform, and the model of its release if a release was named."""

    name: str
    fitted: FittedTransform
    model: ReleaseModel | None = None


@app.command()
def export(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF|FILE", help="transform:NAME:VERSION, NAME@ALIAS or NAME:VERSION of a release, or a file."
        ),
    ],
    to: Annotated[Format, typer.Option("--to", help="Keras: a SavedModel. SQL: one SELECT for DuckDB.")],
    output: Annotated[Path, typer.Option(help="The folder (keras) or file (sql); an earlier export is replaced.")],
    table: Annotated[
        str | None, typer.Option(help="SQL: the table with the raw columns.", show_default="the feature service")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="SQL: hand this column through; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Export a transform to run elsewhere; with a release and Keras, its model too: raw columns in, prediction out.

    The export is run on the golden rows and on 2,000 random ones and compared with the transform before anything is
    written; beyond the bound it is refused.
    """
    if to is Format.KERAS:
        _check_no_sql_options(table, keep or ())
    source = _source(reference, to)
    check_exportable(source.fitted, to.value)
    if to is Format.SQL:
        name = table or source.fitted.feature_service or source.fitted.name
        _to_sql(source, output, name, tuple(keep or ()), as_json=as_json)
    else:
        _to_keras(source, output, as_json=as_json)


def _check_no_sql_options(table: str | None, keep: Sequence[str]) -> None:
    for option, given in (("--table", table), ("--keep", keep)):
        if given:
            raise OptionError(option, Format.KERAS.value)


def _source(reference: str, to: Format) -> Source:
    opened = open_transform(reference)
    if opened.release is None:
        return Source(opened.name, opened.fitted)
    model = _model(opened.release) if to is Format.KERAS else None
    return Source(opened.release.reference, opened.fitted, model)


def _model(release: Release) -> ReleaseModel | None:
    """Return a release's only model; None of one that serves vectors."""
    name = release.reference
    if not release.nodes:
        return None
    if len(release.nodes) > 1 or release.nodes[0].kind != "model":
        raise ModelNotExportableError(name, f"{len(release.nodes)} nodes of kind {release.nodes[0].kind!r}")
    return ReleaseModel(name, open_registry(create=False).get_model(release.nodes[0].artifact))


def _to_sql(source: Source, output: Path, table: str, keep: tuple[str, ...], *, as_json: bool) -> None:
    # DuckDB (0.1 s) is loaded for SQL only.
    export_sql = import_module("likewise.models.exports.sql_export").export_sql
    if as_json:
        done = export_sql(source.fitted, output, table, keep)
        facts = {"table": table, "columns": [column.name for column in done.query.columns]}
        _print_json(source, output, done.measured, facts)
        return
    steps = StepLog()
    with steps.step("export to SQL") as step:
        done = export_sql(source.fitted, output, table, keep)
        step.outcome = f"{escape(source.name)} -> {escape(str(output))} ({output.stat().st_size:,} bytes)"
    _print_measured(done.measured)
    terminal().print(f"Run it: duckdb DATABASE < {escape(str(output))}, where table {escape(table)!r} is.")


def _to_keras(source: Source, output: Path, *, as_json: bool) -> None:
    if as_json:
        done = export_keras(source.fitted, output, source.model)
        _print_json(source, output, done.measured, {"prediction": done.prediction and asdict(done.prediction)})
        return
    steps = StepLog()
    with steps.step("export to Keras") as step:
        done = export_keras(source.fitted, output, source.model)
        what = "raw columns to prediction" if source.model else "raw columns to tensors"
        step.outcome = f"{escape(source.name)} -> {escape(str(output))}: {what}"
    _print_measured(done.measured)
    _print_prediction(done)
    terminal().print(
        f"Load it: tf.saved_model.load('{escape(str(output))}'), or the file model.keras in it with keras; "
        "likewise.json says how columns are fed."
    )


def _print_measured(measured: Sequence[Measured]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("output", "rows", "values that differ", "most absolute", "most relative"):
        table.add_column(heading, justify="left" if heading == "output" else "right")
    for one in measured:
        figures = (f"{one.values_that_differ:,}", f"{one.largest_absolute:.2g}", f"{one.largest_relative:.2g}")
        table.add_row(escape(one.output), f"{one.rows:,}", *figures)
    console = terminal()
    console.print(table)
    console.print(f"[dim]Bound: {BOUND:g} relative for numbers, codes equal.[/]")


def _print_prediction(done: KerasExport) -> None:
    if done.prediction is not None:
        seen = f"{done.prediction.largest_absolute:.2g} over {done.prediction.rows:,} rows"
        terminal().print(f"Predictions differ from the release's by at most {seen} (bound {PREDICTION_BOUND:g}).")


def _print_json(source: Source, output: Path, measured: Sequence[Measured], facts: dict[str, Any]) -> None:
    written = {"exported": source.name, "digest": source.fitted.digest, "output": str(output)}
    typer.echo(json.dumps({**written, "measured": [one.to_json() for one in measured], **facts}, indent=2))
