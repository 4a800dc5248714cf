"""`likewise run`: a recipe from history to a promoted release."""

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import report
from likewise.cli.feast_repository import open_repository
from likewise.cli.home_lock import exclusive
from likewise.cli.parity.report import print_report
from likewise.cli.progress import StepLog
from likewise.cli.recipe_run import run_recipe
from likewise.cli.release_path import Span, check_promotable, open_inputs, parity_of, promote_checked
from likewise.cli.settings import load_settings

PARITY = "parity"

app = typer.Typer(add_completion=False)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="The recipe file; it sets a variable `recipe`.")],
    promote: Annotated[bool, typer.Option(help="Point `prod` at the release when every gate has passed.")] = True,
) -> None:
    """Retrieve history, fit, train, evaluate, gate and publish a recipe, then promote its release.

    The Feast repository must have been applied (`feast apply`). Steps whose inputs have not changed are taken over.
    """
    settings = load_settings()
    steps = StepLog()
    inputs = open_inputs(settings, open_repository(settings.repo), recipe)
    parity = None
    with exclusive(settings.home, "run"):
        outcome = run_recipe(inputs, steps)
        if PARITY in inputs.recipe.gates:
            parity = parity_of(inputs, outcome, settings.home / "parity", steps, Span())
            check_promotable(outcome, parity, steps)
        if promote:
            promote_checked(inputs, outcome, parity, steps)
    report.print_gates(steps.console, outcome.verdicts)
    report.print_metrics(steps.console, outcome.evaluation)
    report.print_slices(steps.console, outcome.evaluation)
    if parity is not None:
        print_report(parity, steps.console)
