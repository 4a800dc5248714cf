"""What `demo` and `run` share: opening a recipe's parts, the parity gate, promotion."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureStore

from likewise.cli.errors import ParityFailedError
from likewise.cli.parity.instants import EVENT_TIME, Sampling
from likewise.cli.parity.report import ParityReport, print_report
from likewise.cli.parity.runner import FAULTS, ParityInputs, run_parity
from likewise.cli.progress import StepLog
from likewise.cli.recipe_run import RunInputs, RunOutcome, promote
from likewise.cli.registry_access import ALIAS, open_registry
from likewise.cli.settings import Settings
from likewise.training import load_recipe
from likewise.training.split import Split

INSTANTS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """Over which time parity is checked, and how densely; None leaves it to the recipe's split."""

    start: datetime | None = None
    end: datetime | None = None
    instants: int = INSTANTS
    window: timedelta = timedelta(hours=3)
    least_instants: int = 1
    least_rows: int = 1


def open_inputs(settings: Settings, store: FeatureStore, recipe_file: Path) -> RunInputs:
    """Return what a run of the recipe needs; its history and records go below the home folder."""
    recipe = load_recipe(recipe_file)
    folder = settings.home / "runs" / recipe.name
    return RunInputs(recipe, recipe_file, settings.repo, store, open_registry(settings), folder)


def parity_of(inputs: RunInputs, outcome: RunOutcome, scratch: Path, steps: StepLog, span: Span) -> ParityReport:
    """Return the parity of a release over a span, with the five faults put in; the report is kept as JSON too."""
    with steps.step("parity") as step:
        parts = ParityInputs(
            repo=inputs.repo,
            scratch=scratch,
            registry=inputs.registry,
            release=outcome.release,
            recipe=inputs.recipe,
            sampling=_sampling(inputs, span),
            other=inputs.recipe.transform.fit(outcome.history.inputs(_other_rows(outcome.split))),
        )
        found = run_parity(parts, step.report)
        (scratch / "parity.json").write_text(json.dumps(found.to_json(), indent=1, default=str), "utf-8")
        totals = found.totals()
        verdict = "[green]serving equals history[/]" if found.passed else "[red]serving differs from history[/]"
        step.outcome = f"{totals['rows']:,} entity rows at {totals['instants']} instants: {verdict}"
    return found


def check_promotable(outcome: RunOutcome, parity: ParityReport, steps: StepLog) -> None:
    """Raise `ParityFailedError`, after printing the report, unless parity passed."""
    if not parity.passed:
        print_report(parity, steps.console)
        raise ParityFailedError(outcome.release.reference, ALIAS)


def promote_checked(inputs: RunInputs, outcome: RunOutcome, parity: ParityReport | None, steps: StepLog) -> None:
    """Point `prod` at a release that passed its gates, and parity where the recipe asks for it."""
    release = outcome.release
    why = "gates passed" if parity is None else "gates and parity passed"
    moved = promote(inputs.registry, release, f"recipe {inputs.recipe.name}: {why}")
    verb = "now points" if moved else "points already"
    steps.note("promote", f"{release.name}@{ALIAS} {verb} at version {release.version}")


def _sampling(inputs: RunInputs, span: Span) -> Sampling:
    start = span.start or inputs.recipe.split.boundaries().validate_until
    end = span.end or _last_event(inputs) + timedelta(minutes=1)
    return Sampling(
        start, end, span.instants + FAULTS, span.window, span.least_instants + FAULTS, least_rows=span.least_rows
    )


def _last_event(inputs: RunInputs) -> datetime:
    times = pq.read_table(inputs.repo / inputs.recipe.entities, columns=[EVENT_TIME])[EVENT_TIME]
    last: datetime = pc.max(times.cast(pa.timestamp("us", "UTC"))).as_py()
    return last.astimezone(UTC)


def _other_rows(split: Split) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return rows whose statistics differ from those of the train part, in the same shapes."""
    return np.sort(np.concatenate([split.train.positions, split.validate.positions]))
