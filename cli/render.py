"""What the registry's commands print for people: tables by rich, no cell of which is taken for markup."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from likewise.cli.nested_facts import flatten, plain_text
from likewise.cli.transform_view import settings_text, state_text
from likewise.transforms.registry import (
    Alias,
    AliasMove,
    Finding,
    ModelRecord,
    Release,
    ReleaseVersion,
    TransformVersion,
)

_WIDTH = 140  # where output is no terminal: rows stay whole for grep and for files
_SHORT = len("sha256:") + 12
_OBJECTS_SHOWN = 20
_BYTES = ("B", "kB", "MB", "GB")


@dataclass(frozen=True, slots=True)
class Held:
    """All that a registry holds."""

    releases: Sequence[ReleaseVersion] = ()
    aliases: Sequence[Alias] = ()
    transforms: Sequence[TransformVersion] = ()
    models: Sequence[ModelRecord] = ()


def shelves(held: Held, wanted: Sequence[str]) -> None:
    """Print the records of each wanted shelf that has any."""
    for shelf in wanted:
        _SHELVES[shelf](held)


def release(found: Release, transform: TransformVersion, aliases: Sequence[str]) -> None:
    """Print a release's manifest."""
    _heading(found.reference, aliases and "@" + ", @".join(aliases))
    _facts(
        {
            "digest": found.digest,
            "made": f"{_instant(found.created_at)} by {found.created_by}",
            "transform": f"{transform.reference} ({_verdict(transform)})",
            "": found.transform,
            "Feast project": found.feast_project,
            "feature service": f"{found.feature_service} ({len(found.feature_refs)} features)",
            "definitions": found.definitions_fingerprint,
            "join keys": ", ".join(found.join_keys) or "none",
            "request fields": ", ".join(f"{name} ({kind})" for name, kind in found.request_fields.items()) or "none",
        }
    )
    _print_table(
        "Nodes",
        ("node", "kind", "takes", "gives", "artifact"),
        [(n.name, n.kind, ", ".join(n.inputs), n.output, short(n.artifact)) for n in found.nodes],
    )
    _print_table("Features", ("view", "n", "features"), _by_view(found.feature_refs))
    _print_tree("Metrics", found.metrics)
    _print_tree("Provenance", found.provenance)


def transform_version(version: TransformVersion, used_by: Sequence[str]) -> None:
    """Print what is on record of a transform."""
    _heading(version.reference, _verdict(version))
    _facts(
        {
            "digest": version.digest,
            "made": f"{_instant(version.created_at)} by {version.created_by}",
            "note": version.note,
            "size": _size(version.size_bytes),
            "feature service": version.feature_service,
            "releases": ", ".join(used_by) or "none",
        }
    )


def artifact(described: Mapping[str, Any]) -> None:
    """Print what `transform_view.describe` returned: what it reads, gives, holds and was made of."""
    _heading(f"artifact of {described['name']}", f"{described['golden_rows']} golden rows")
    _facts({"digest": described["digest"], "feature service": described["feature_service"]})
    artifact_tables(described)


def artifact_tables(described: Mapping[str, Any]) -> None:
    """Print the tables of `artifact`, for who has said already what it is."""
    _print_table("Inputs", ("column", "type"), [(spec["name"], spec["type"]) for spec in described["inputs"]])
    outputs = described["outputs"]
    _print_table(
        "Outputs",
        ("tensor", "dtype", "shape", "codes", "columns"),
        [
            (
                o["name"],
                o["dtype"],
                _shape(o["shape"]),
                str(o["cardinality"] or ""),
                ", ".join(o["columns"]),
            )
            for o in outputs
        ],
    )
    kinds = [(o["name"], steps["columns"], kind) for o in outputs for steps in o["steps"] for kind in steps["kinds"]]
    _print_table(
        "Steps and policies",
        ("tensor", "kind", "columns", "settings"),
        [(name, k["kind"], ", ".join(columns), settings_text(k["settings"])) for name, columns, k in kinds],
    )
    _print_table(
        "Statistics",
        ("column", "kind", "tensor", "fitted"),
        [(c, k["kind"], name, state_text(facts)) for name, _, k in kinds for c, facts in k["state"].items()],
    )
    _print_tree("Provenance", described["provenance"])


def model(record: ModelRecord, sizes: Mapping[str, int], metadata: Mapping[str, Any]) -> None:
    """Print what a model consists of."""
    _heading(f"model:{short(record.digest)}", record.runtime or "")
    _facts({"digest": record.digest, "made": f"{_instant(record.created_at)} by {record.created_by}"})
    _print_table("Files", ("file", "size"), [(name, _size(size)) for name, size in sizes.items()])
    _print_tree("Metadata", metadata)


def log(name: str, moves: Sequence[AliasMove]) -> None:
    """Print every move of a release's aliases, oldest first."""
    rows = [
        (_instant(m.moved_at), m.alias, str(m.from_version or "new"), str(m.to_version), m.moved_by, m.why)
        for m in moves
    ]
    _print_table(f"Aliases of {name}", ("when (UTC)", "alias", "from", "to", "who", "why"), rows)


def findings(found: Sequence[Finding]) -> None:
    """Print what is wrong with a registry."""
    _print_table("Findings", ("what", "problem"), [(finding.reference, finding.problem) for finding in found])


def short(digest: str) -> str:
    """Return the beginning of a digest, which references take in its place."""
    return digest[:_SHORT]


def _releases(held: Held) -> None:
    at: dict[tuple[str, int], list[str]] = {}
    for alias in held.aliases:
        at.setdefault((alias.name, alias.version), []).append(alias.alias)
    known = {transform.digest: transform.reference for transform in reversed(held.transforms)}
    rows = [
        (
            r.name,
            str(r.version),
            ", ".join(at.get((r.name, r.version), ())),
            r.feature_service,
            known.get(r.transform, short(r.transform)),
            *_made(r),
        )
        for r in held.releases
    ]
    _print_table("Releases", ("name", "version", "aliases", "service", "transform", "made (UTC)", "by"), rows)


def _aliases(held: Held) -> None:
    _print_table("Aliases", ("alias", "version"), [(f"{a.name}@{a.alias}", str(a.version)) for a in held.aliases])


def _transforms(held: Held) -> None:
    rows = [
        (
            t.name,
            str(t.version),
            short(t.digest),
            t.verified_by or "no",
            t.feature_service or "any",
            _size(t.size_bytes),
            *_made(t),
        )
        for t in held.transforms
    ]
    columns = ("name", "version", "digest", "verified by", "service", "size", "made (UTC)", "by")
    _print_table("Transforms", columns, rows)


def _models(held: Held) -> None:
    rows = [(short(m.digest), m.runtime or "", str(m.file_count), _size(m.size_bytes), *_made(m)) for m in held.models]
    _print_table("Models", ("digest", "runtime", "files", "size", "made (UTC)", "by"), rows)


_SHELVES: Mapping[str, Callable[[Held], None]] = {
    "releases": _releases,
    "aliases": _aliases,
    "transforms": _transforms,
    "models": _models,
}


def _print(*shown: RenderableType) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    with console.capture() as capture:
        for renderable in shown:
            console.print(renderable)
    # Cells are padded with spaces, which files and pipes need not hold.
    typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _heading(title: str, remark: str | Sequence[str]) -> None:
    _print(Text.assemble((title, "bold"), f"  {remark}" if remark else ""))


def _facts(facts: Mapping[str, str | None]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None:
            grid.add_row(f"  {name}", _cell(value))
    _print(grid)


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], count: str | None = None) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=index == 0, header_style="dim")
    for row in rows:
        table.add_row(*map(_cell, row))
    _print("", Text(f"{title} ({count or len(rows)})", style="bold"), table)


def _print_tree(title: str, value: Mapping[str, Any]) -> None:
    """Print nested facts: plain ones as one table, every list of objects as a table of its own."""
    facts = flatten(value)
    _print_table(title, ("fact", "value"), [(path, fact) for path, fact in facts.items() if isinstance(fact, str)])
    for path, objects in facts.items():
        if not isinstance(objects, str):
            rows = [flatten(item) for item in objects[:_OBJECTS_SHOWN]]
            columns = list(dict.fromkeys(column for row in rows for column in row))
            more = f"; the first {_OBJECTS_SHOWN}, --json has all" if len(objects) > _OBJECTS_SHOWN else ""
            shown = [[plain_text(row.get(column, "")) for column in columns] for row in rows]
            _print_table(f"{title}: {path}", columns, shown, f"{len(objects)}{more}")


def _cell(value: str) -> Text:
    # What people typed (reasons, notes) must neither style the table nor steer the terminal.
    return Text("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value))


def _shape(sizes: Sequence[int | str]) -> str:
    return "(n,)" if len(sizes) == 1 else f"({', '.join(map(str, sizes))})"


def _by_view(references: Sequence[str]) -> list[tuple[str, str, str]]:
    views: dict[str, list[str]] = {}
    for reference in references:
        view, _, feature = reference.partition(":")
        views.setdefault(view, []).append(feature)
    return [(view, str(len(features)), ", ".join(features)) for view, features in views.items()]


def _verdict(version: TransformVersion) -> str:
    return f"verified by {version.verified_by}" if version.verified else "unverified"


def _made(record: TransformVersion | ModelRecord | ReleaseVersion) -> tuple[str, str]:
    return _instant(record.created_at), record.created_by


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _size(size_bytes: float) -> str:
    for unit in _BYTES:
        if size_bytes < 1000 or unit == _BYTES[-1]:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return ""
