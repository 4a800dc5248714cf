"""`likewise migrate-online`: move a Redis that Feast filled to packed rows, check it, and move it back."""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from feast import FeatureStore, FeatureView
from rich.console import Console
from rich.table import Table

from likewise.cli.errors import NoViewsError, SettingError, UnknownViewError
from likewise.cli.feast_repository import open_repository
from likewise.cli.progress import RunningStep, StepLog
from likewise.cli.settings import load_settings
from likewise.stores.packed_migrate import Migration, ViewReport, migration_of

app = typer.Typer(add_completion=False)


class Action(Enum):
    """What to do with the rows: name of the step, columns of its report."""

    COUNT = ("count", ("rows",))
    COPY = ("copy", ("rows", "landed"))
    VERIFY = ("verify", ("rows", "equal", "newer", "different", "missing"))
    CLEAR = ("clear", ("rows", "cleared", "different", "missing"))


HEADINGS = {"landed": "written", "cleared": "deleted"}


@app.command()
def migrate_online(
    view: Annotated[list[str] | None, typer.Option(help="Only these views. Default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count rows; write nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare every row; write nothing.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="The way back: packed rows to Feast's layout.")] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Delete Feast's rows that are packed, alike or newer.")
    ] = False,
    rows_per_second: Annotated[float | None, typer.Option(help="Take no more of Redis than this.", min=1.0)] = None,
    repo: Annotated[Path | None, typer.Option(help="The Feast repository (LIKEWISE_REPO).")] = None,
) -> None:
    """Copy the rows of Feast's own Redis store to packed ones, within the Redis of `feature_store.yaml`.

    Both layouts live side by side; nothing is deleted without --drop-old. A row never replaces a newer one, so
    writers may go on meanwhile, and a run that was ended may be run again.

    Exit status 1 when --verify finds rows missing or different, or --drop-old leaves some for that reason.
    """
    action = action_of(dry_run=dry_run, verify=verify, drop_old=drop_old, reverse=reverse)
    store = open_repository(repo or load_settings().repo)
    views = chosen_views(store, view)
    migration = migration_of(store.config, rows_per_second)
    steps = StepLog()
    steps.console.print(heading(migration, reverse=reverse), soft_wrap=True)
    with steps.step(action.value[0]) as step:
        reports = run(action, migration.reversed() if reverse else migration, views, step)
        total = sum(report.rows for report in reports)
        step.outcome = f"{total:,} rows of {len(reports)} view{'' if len(reports) == 1 else 's'}"
    print_reports(steps.console, action, reports)
    steps.console.print(conclusion(action, reports, reverse=reverse), soft_wrap=True)
    raise typer.Exit(0 if all(report.is_complete for report in reports) else 1)


def action_of(*, dry_run: bool, verify: bool, drop_old: bool, reverse: bool) -> Action:
    """Return the one thing that the options ask for.

    Raises
    ------
    SettingError
        They ask for several.
    """
    asked = {"--dry-run": dry_run, "--verify": verify, "--drop-old": drop_old}
    given = [name for name, is_given in asked.items() if is_given]
    if drop_old and reverse:
        given.append("--reverse")
    if len(given) > 1:
        raise SettingError(
            "options", "one of --dry-run, --verify, --drop-old (the last without --reverse)", " ".join(given)
        )
    return (
        {"--dry-run": Action.COUNT, "--verify": Action.VERIFY, "--drop-old": Action.CLEAR}[given[0]]
        if given
        else Action.COPY
    )


def chosen_views(store: FeatureStore, wanted: Sequence[str] | None) -> list[FeatureView]:
    """Return the views that are kept online, or those of them that were asked for.

    Raises
    ------
    NoViewsError, UnknownViewError
        The repository has none, or not that one.
    """
    known: dict[str, Any] = {view.name: view for view in store.list_all_feature_views() if is_stored(view)}
    if not known:
        raise NoViewsError(store.project)
    for name in wanted or ():
        if name not in known:
            raise UnknownViewError(name, sorted(known))
    return [known[name] for name in dict.fromkeys(wanted or sorted(known))]


def is_stored(view: object) -> bool:
    """Say whether a view has rows online: materialized and pushed views, on-demand views that are written."""
    return bool(getattr(view, "online", False) or getattr(view, "write_to_online_store", False))


def run(action: Action, migration: Migration, views: Sequence[FeatureView], step: RunningStep) -> list[ViewReport]:
    """Do it, the bar moving on."""
    done = 0

    def progress(rows: int) -> None:
        nonlocal done
        done += rows
        step.report(done, None)

    does: dict[Action, Callable[..., list[ViewReport]]] = {
        Action.COUNT: migration.count,
        Action.COPY: migration.copy,
        Action.VERIFY: migration.verify,
        Action.CLEAR: migration.clear,
    }
    return does[action](views, progress)


def print_reports(console: Console, action: Action, reports: Sequence[ViewReport]) -> None:
    """Print a line for each view."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("view")
    for name in action.value[1]:
        table.add_column(HEADINGS.get(name, name), justify="right")
    for report in reports:
        table.add_row(report.view, *(f"{getattr(report, name):,}" for name in action.value[1]))
    console.print(table)


def conclusion(action: Action, reports: Sequence[ViewReport], *, reverse: bool) -> str:
    """Return what the figures mean and what comes next."""
    rows = sum(report.rows for report in reports)
    way = " --reverse" if reverse else ""
    if not rows:
        return (
            "No rows were found: check that feature_store.yaml names the Redis and the project that hold them "
            "(`feast apply` must have registered the views)."
        )
    if action is Action.COUNT:
        return f"Nothing was written. `likewise migrate-online{way}` copies these rows."
    if action is Action.COPY:
        kept = rows - sum(report.landed for report in reports)
        newer = f"; {kept:,} met newer ones or corrections, which stay" if kept else ""
        return f"Copied{newer}. `likewise migrate-online{way} --verify` compares every row."
    bad = sum(report.different + report.missing for report in reports)
    if action is Action.CLEAR:
        return f"{bad:,} rows stay: they are missing or different in packed form." if bad else "Feast's rows are gone."
    if not bad:
        return "Every row is there, alike or newer."
    return (
        f"{bad:,} rows are missing or different. `likewise migrate-online{way}` writes what is missing; what stays "
        "different was corrected under the same event time in one layout only (materialize the view again)."
    )


def heading(migration: Migration, *, reverse: bool) -> str:
    """Return what moves where."""
    way = "packed rows -> Feast's layout" if reverse else "Feast's layout -> packed rows"
    return f"project {migration.source.config.project}, Redis {migration.link.address}: {way}"
