"""`likewise demo`: the main job end to end on the flights of 2013, then a short report."""

import os
import resource
import time
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from rich.console import Console

from likewise.cli import report
from likewise.cli.demo.prepare import Prepared, prepare
from likewise.cli.errors import NothingDueError
from likewise.cli.feast_repository import check_repository, feast_apply, open_repository
from likewise.cli.home_lock import exclusive
from likewise.cli.parity.instants import EVENT_TIME
from likewise.cli.parity.replay import Replay, online_views
from likewise.cli.parity.report import ParityReport, print_report
from likewise.cli.progress import StepLog, terminal
from likewise.cli.recipe_run import RunInputs, RunOutcome, run_recipe
from likewise.cli.registry_access import ALIAS, open_registry
from likewise.cli.release_path import Span, check_promotable, open_inputs, parity_of, promote_checked
from likewise.cli.server_process import Asked, serving
from likewise.cli.settings import DEFAULT_CLOCK, Settings, load_settings
from likewise.stores.clock import parse_clock
from likewise.training.plots import plot_reliability

# Two weeks after the last day that the model was judged on: a Monday noon in New York.
DEMO_INSTANT = "2013-12-16T17:00:00+00:00"
ASKED = 300
RECIPE = "recipes/flight_delay.py"
# What the demo promises of its parity: never a handful of rows.
SPAN = Span(least_instants=14, least_rows=3_000)

app = typer.Typer(add_completion=False)


@app.command()
def demo() -> None:
    """Register features, pull history, fit, train, gate, publish, promote, check parity, serve and predict."""
    started = time.perf_counter()
    settings = _settings_at_demo_instant()
    console = terminal()
    console.print("[bold]Likewise demo[/]: will a flight from New York arrive over 15 minutes late?")
    for name, value in settings.describe().items():
        console.print(f"  [dim]{name:<10} {value}[/]", soft_wrap=True)
    console.print(f"  [dim]The data is of 2013; the clock plays {settings.clock}.[/]\n")
    steps = StepLog(console)
    with exclusive(settings.home, "demo"):
        result = _result(settings, steps)
    _report(console, result)
    console.print(f"\nDone in {time.perf_counter() - started:.0f} s; {_peak_memory()}. Next: make serve")


@dataclass(frozen=True, slots=True)
class Result:
    """All that the report speaks of."""

    prepared: Prepared
    outcome: RunOutcome
    parity: ParityReport
    served: list[Asked]
    settings: Settings


def _result(settings: Settings, steps: StepLog) -> Result:
    prepared = _prepare(settings, steps)
    inputs = _register(settings, steps)
    _materialize(settings, inputs, steps)
    outcome = run_recipe(inputs, steps)
    parity = parity_of(inputs, outcome, settings.home / "parity", steps, SPAN)
    check_promotable(outcome, parity, steps)
    promote_checked(inputs, outcome, parity, steps)
    return Result(prepared, outcome, parity, _serve(settings, inputs, outcome, steps), settings)


def _settings_at_demo_instant() -> Settings:
    if load_settings().clock == DEFAULT_CLOCK:
        os.environ["LIKEWISE_CLOCK"] = DEMO_INSTANT
    return load_settings()


def _prepare(settings: Settings, steps: StepLog) -> Prepared:
    check_repository(settings.repo, RECIPE)
    with steps.step("prepare") as step:
        prepared = prepare(settings.repo / "data", step.report)
        rows = sum(prepared.rows.values())
        how = "" if prepared.built else " (unchanged: taken over)"
        step.outcome = f"{prepared.flights:,} flights -> {len(prepared.files)} files, {rows:,} rows{how}"
    return prepared


def _register(settings: Settings, steps: StepLog) -> RunInputs:
    with steps.step("feast apply") as step:
        feast_apply(settings.repo)
        store = open_repository(settings.repo)
        views = store.list_feature_views()
        features = sum(len(view.features) for view in views)
        step.outcome = f"{len(views)} feature views, {features} features, {len(store.list_feature_services())} services"
    return open_inputs(settings, store, settings.repo / RECIPE)


def _materialize(settings: Settings, inputs: RunInputs, steps: StepLog) -> None:
    with steps.step("materialize") as step:
        replay = Replay(inputs.store, settings.repo, online_views(inputs.store))
        instant = parse_clock(settings.clock).now()
        replay.check_not_ahead(instant)
        replay.advance(instant, report=step.report)
        step.outcome = f"{len(replay.runs)} views into Redis, each as of its last run by cadence"


def _serve(settings: Settings, inputs: RunInputs, outcome: RunOutcome, steps: StepLog) -> list[Asked]:
    name = outcome.release.name
    with steps.step("serve and predict") as step:
        rows = _rows_to_ask(inputs, outcome, parse_clock(settings.clock).now())
        log = settings.home / "logs" / "demo-serve.log"
        with serving(["--release", f"{name}@{ALIAS}"], log) as server:
            server.predict(name, rows[:50], list(outcome.release.request_fields))  # warm up
            asked = server.predict(name, rows, list(outcome.release.request_fields))
        step.outcome = f"{len(asked)} predictions over HTTP, {_latencies(asked)}"
    return asked


def _latencies(asked: list[Asked]) -> str:
    p50, p99 = np.percentile([one.seconds * 1e3 for one in asked], [50, 99])
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def _rows_to_ask(inputs: RunInputs, outcome: RunOutcome, now: datetime) -> list[dict[str, object]]:
    """Return the next flights to be predicted from `now` on."""
    wanted = [*outcome.release.join_keys, *outcome.release.request_fields, EVENT_TIME]
    entities = pq.read_table(inputs.repo / inputs.recipe.entities, columns=wanted)
    due = entities.filter(pc.greater_equal(entities[EVENT_TIME].cast(pa.timestamp("us", "UTC")), pa.scalar(now)))
    if due.num_rows == 0:
        raise NothingDueError(now.isoformat())
    return list(due.sort_by(EVENT_TIME).slice(0, ASKED).drop_columns([EVENT_TIME]).to_pylist())


def _report(console: Console, result: Result) -> None:
    outcome, release = result.outcome, result.outcome.release
    picture = plot_reliability(
        outcome.evaluation, release.reference, result.settings.home / "reports" / "reliability.png"
    )
    transform = open_registry(result.settings).transform(f"transform:{release.transform}")
    console.rule("Report", align="left")
    facts = {
        "rows": f"{outcome.split.train.rows:,} train, {outcome.split.validate.rows:,} validate, "
        f"{outcome.split.test.rows:,} test",
        "features": f"{len(release.feature_refs)} of {release.feature_service}",
        "transform": f"{transform.reference}  {release.transform}",
        "release": f"{release.reference}  {release.digest}",
        "online": f"{_latencies(result.served)} a prediction over HTTP ({len(result.served)} flights)",
    }
    report.print_facts(console, facts)
    report.print_gates(console, outcome.verdicts)
    report.print_metrics(console, outcome.evaluation)
    report.print_slices(console, outcome.evaluation)
    print_report(result.parity, console)
    report.print_pictures(
        console, {"reliability": picture, "parity in full": result.settings.home / "parity" / "parity.json"}
    )


def _peak_memory() -> str:
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return f"at most {max(own, children) / 2**20:.1f} GB of memory in one process"
