"""A difference of two transforms, printed: tables for people, JSON for programs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from likewise.cli.progress import terminal
from likewise.cli.transform_access import OpenedTransform
from likewise.transforms.difference import CategoryChange, Difference, OutputChange, StateChange

_COLOURS = {"identical": "green", "compatible": "green", "breaking": "bold red"}
_SHOWN = 12  # rows of a table and categories of a cell; JSON has all


def print_json(found: Difference, before: OpenedTransform, after: OpenedTransform) -> None:
    """Print all of it; null stands for infinite, and for state whose size changed."""
    sides = {
        side: {"name": opened.name, "digest": opened.fitted.digest}
        for side, opened in (("old", before), ("new", after))
    }
    typer.echo(json.dumps(_plain({**sides, **asdict(found)}), indent=2, ensure_ascii=False))


def print_tables(found: Difference, before: OpenedTransform, after: OpenedTransform, sample: Path | None) -> None:
    """Print the verdict with its reasons, then what changed, largest first."""
    console = terminal()
    console.print(Text(found.verdict, _COLOURS[found.verdict]), Text(f"{before.name} -> {after.name}"))
    for label, opened in (("old", before), ("new", after)):
        console.print(Text(f"  {label}  {opened.fitted.digest}", "dim"))
    for reason in found.reasons:
        console.print(Text(f"  - {reason}"), soft_wrap=True)
    if found.verdict == "identical":
        return
    for table in _tables(found, sample):
        console.print()
        console.print(table)
    console.print(Text(f"\nBounds: {_bounds_text(found)}.", "dim"), soft_wrap=True)
    if sample is None and found.rows:
        hint = (
            "Compared on golden rows only; --sample FILE compares real rows, and tells stability indexes from 100 on."
        )
        console.print(Text(hint, "dim"), soft_wrap=True)
    elif not found.rows:
        console.print(
            Text("Outputs are not compared: the inputs differ, or rows are refused, or the sample is empty.", "dim"),
            soft_wrap=True,
        )


def _tables(found: Difference, sample: Path | None) -> Iterable[Table]:
    if found.steps:
        rows = [(s.output, s.place, s.old or "none", s.new or "none") for s in found.steps]
        yield _table("Steps", ("output", "place", "was", "is"), rows)
    if found.categories:
        told = [_category_row(c) for c in found.categories]
        yield _table("Categories", ("output", "column", "kind", "new", "lost", "moved"), told)
    if found.states:
        ordered = sorted(found.states, key=lambda s: -math.inf if s.difference is None else -s.difference)
        moved = [_state_row(s) for s in ordered]
        yield _table("Statistics", ("output", "column", "kind", "statistic", "moved by at most"), moved)
    if found.outputs:
        on = f"{found.rows:,} rows of {sample}" if sample else f"{found.rows} golden rows of the old one"
        outputs = [_output_row(o) for o in found.outputs]
        yield _table(
            f"Outputs on {on}", ("output", "rows changed", "moved by at most", "highest stability index"), outputs
        )


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    more = f", the first {_SHOWN}; --json has all" if len(rows) > _SHOWN else ""
    table = Table(box=None, pad_edge=False, title=Text(f"{title} ({len(rows)}{more})", "bold"), title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold", header_style="dim")
    for row in rows[:_SHOWN]:
        table.add_row(*map(_cell, row))
    return table


def _cell(value: str) -> Text:
    # Categories are other people's data: they must neither style the table nor steer the terminal.
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value))


def _category_row(change: CategoryChange) -> Sequence[str]:
    told = [_few(values) for values in (change.new, change.lost, change.moved)]
    return (change.output, change.column, change.kind, *told)


def _few(values: Sequence[Any]) -> str:
    shown = ", ".join(repr(v) for v in values[:_SHOWN])
    return f"{len(values)}: {shown}{' ...' if len(values) > _SHOWN else ''}" if values else ""


def _state_row(change: StateChange) -> Sequence[str]:
    size = "its size" if change.difference is None else f"{change.difference:.6g}"
    return (change.output, ", ".join(change.columns), change.kind, change.array, size)


def _output_row(change: OutputChange) -> Sequence[str]:
    highest = max(change.psi, key=lambda column: change.psi[column], default=None)
    told = "not judged" if highest is None else f"{change.psi[highest]:.4f} ({highest})"
    return (change.name, f"{change.share_changed:.1%}", f"{change.difference:.6g}", told)


def _bounds_text(found: Difference) -> str:
    bounds = found.bounds
    told = {
        "stability index": bounds.psi,
        "share of rows changed": bounds.share_changed,
        "move of a value": bounds.difference,
    }
    return ", ".join(f"{name} {'any' if bound is None else f'{bound:g}'}" for name, bound in told.items())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value
