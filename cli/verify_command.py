"""`likewise verify`: prove a release on this machine, ahead of a roll-out."""

from typing import Annotated

import typer

from likewise.cli.progress import StepLog
from likewise.cli.release_access import load_release
from likewise.cli.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def verify(release: Annotated[str, typer.Argument(help="NAME@ALIAS or NAME:VERSION.")]) -> None:
    """Load a release as a server would: definitions compared, golden rows and golden predictions replayed.

    Exit status 2 with the reason when it would not be served here.
    """
    steps = StepLog()
    with steps.step("verify") as step:
        loaded = load_release(load_settings(), release)
        moved = loaded.identity.moved
        step.outcome = f"{loaded.identity.reference}: golden rows and predictions as recorded"
    if moved:
        steps.note("definitions", f"[red]moved since training: {', '.join(moved)}[/]")
        raise typer.Exit(1)
