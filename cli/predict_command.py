"""`likewise predict`: score a Parquet file by the code that serves."""

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.progress import StepLog
from likewise.cli.release_access import load_release
from likewise.cli.settings import load_settings
from likewise.serving.batch_scoring import score_file

app = typer.Typer(add_completion=False)


@app.command()
def predict(
    release: Annotated[str, typer.Argument(help="NAME@ALIAS or NAME:VERSION.")],
    source: Annotated[Path, typer.Option("--input", help="Parquet: the release's join keys and request data.")],
    output: Annotated[Path, typer.Option(help="Parquet: the same rows with their predictions.")],
) -> None:
    """Read features for every row of a file, transform and predict, as the server would at the clock's instant."""
    settings = load_settings()
    steps = StepLog()
    with steps.step("load and prove") as step:
        loaded = load_release(settings, release)
        step.outcome = loaded.identity.reference
    with steps.step("predict") as step:
        scored = score_file(loaded, source, output, step.report)
        step.outcome = f"{scored.rows:,} rows -> {output}"
