"""`likewise diff`: what changed between two fitted transforms, and whether a model may be fed by the new one."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet
import typer

from likewise.cli import diff_view
from likewise.cli.transform_access import OpenedTransform, open_transform
from likewise.transforms import Bounds
from likewise.transforms.difference import difference
from likewise.transforms.errors import LikewiseError

app = typer.Typer(add_completion=False)


class SampleError(LikewiseError):
    """The file of sample rows can't be read."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: expected a Parquet file with the transforms' columns, got: {reason.rstrip('.')}.")


@app.command()
def diff(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="transform:NAME:VERSION, NAME@ALIAS of a release, or file.")
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same of the one that comes after.")],
    sample: Annotated[
        Path | None,
        typer.Option(help="Parquet with raw rows to compare outputs on.", show_default="golden rows of OLD"),
    ] = None,
    psi: Annotated[
        float | None, typer.Option(min=0, help="Most a column's stability index may be.", show_default="as declared")
    ] = None,
    share_changed: Annotated[
        float | None, typer.Option(min=0, max=1, help="Most rows of an output that may change.", show_default="any")
    ] = None,
    largest: Annotated[
        float | None, typer.Option(min=0, help="Most a value may move.", show_default="as declared")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when the verdict is breaking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Tell what changed: schema, steps, categories, statistics, outputs on sample rows; and give a verdict.

    identical: the same digest. compatible: the same inputs, outputs and codes, within the bounds. breaking: anything
    else. The bounds are NEW's own (Transform.bounded), or a stability index of 0.2.
    """
    before, after = open_transform(old), open_transform(new)
    bounds = _bounds(after, {"psi": psi, "share_changed": share_changed, "difference": largest})
    found = difference(before.fitted, after.fitted, _rows(sample, before, after), bounds)
    if as_json:
        diff_view.print_json(found, before, after)
    else:
        diff_view.print_tables(found, before, after, sample)
    if exit_code and found.verdict == "breaking":
        raise typer.Exit(1)


def _bounds(after: OpenedTransform, given: dict[str, float | None]) -> Bounds:
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(after.fitted.bounds or Bounds(), **told)


def _rows(sample: Path | None, before: OpenedTransform, after: OpenedTransform) -> Any:
    if sample is None:
        return None
    wanted = {spec.name for opened in (before, after) for spec in opened.fitted.inputs}
    try:
        schema = pyarrow.parquet.read_schema(sample)
        return pyarrow.parquet.read_table(sample, columns=[name for name in schema.names if name in wanted])
    except (OSError, ValueError) as error:
        raise SampleError(sample, str(error).splitlines()[0]) from error
