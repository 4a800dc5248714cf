"""`likewise materialize`: bring the online store to the clock's instant."""

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.feast_repository import open_repository
from likewise.cli.parity.replay import Replay, online_views
from likewise.cli.progress import StepLog
from likewise.cli.settings import load_settings
from likewise.stores.clock import parse_clock

app = typer.Typer(add_completion=False)


@app.command()
def materialize(
    view: Annotated[list[str] | None, typer.Option(help="Only these views. Default: every view served online.")] = None,
    repo: Annotated[Path | None, typer.Option(help="The Feast repository (LIKEWISE_REPO).")] = None,
) -> None:
    """Write what every view's declared cadence would have written by the clock's instant.

    Views materialize or are pushed as their tags `cadence` and `ingest` say; rows that were created later than
    the run do not exist for it.
    """
    settings = load_settings()
    store = open_repository(repo or settings.repo)
    instant = parse_clock(settings.clock).now()
    steps = StepLog()
    with steps.step("materialize") as step:
        replay = Replay(store, repo or settings.repo, view or online_views(store))
        replay.check_not_ahead(instant)
        replay.advance(instant, report=step.report)
        step.outcome = f"{len(replay.runs)} views as of {instant:%Y-%m-%d %H:%M} UTC"
