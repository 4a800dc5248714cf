"""`likewise parity`: what serving reads against what training read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.feast_repository import open_repository
from likewise.cli.home_lock import exclusive
from likewise.cli.parity.report import print_report
from likewise.cli.progress import StepLog
from likewise.cli.recipe_run import earlier_outcome
from likewise.cli.registry_access import ALIAS
from likewise.cli.release_path import INSTANTS, Span, open_inputs, parity_of
from likewise.cli.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def parity(
    recipe: Annotated[Path, typer.Argument(help="The recipe file whose entity rows are looked up.")],
    release: Annotated[str, typer.Option(help="NAME@ALIAS or NAME:VERSION. Default: the recipe's @prod.")] = "",
    start: Annotated[datetime | None, typer.Option(help="First instant (UTC). Default: after validation.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Last instant (UTC). Default: the last entity row.")] = None,
    instants: Annotated[int, typer.Option(help="How many instants.", min=1)] = INSTANTS,
    window: Annotated[float, typer.Option(help="Entity rows of so many hours after each instant.", min=0.1)] = 3.0,
) -> None:
    """Replay an online store at instants of the past and compare what it serves with history, value by value.

    The replay writes to an embedded Redis of its own. Exit status 1 when something differs that no cadence
    explains, or when one of the five faults put in on purpose is not found.
    """
    settings = load_settings()
    steps = StepLog()
    inputs = open_inputs(settings, open_repository(settings.repo), recipe)
    span = Span(_utc(start), _utc(end), instants, timedelta(hours=window))
    with exclusive(settings.home, "parity"):
        outcome = earlier_outcome(inputs, release or f"{inputs.recipe.name}@{ALIAS}", steps)
        found = parity_of(inputs, outcome, settings.home / "parity", steps, span)
    print_report(found, steps.console)
    raise typer.Exit(0 if found.passed else 1)


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None else None
