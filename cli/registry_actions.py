"""What the registry's commands do: ask the registry, then print tables or JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from likewise.cli import render
from likewise.cli.registry_access import open_registry
from likewise.cli.transform_view import describe
from likewise.transforms import FittedTransform
from likewise.transforms.errors import LikewiseError, listing
from likewise.transforms.registry import check_registry, export_bundle, import_bundle, parse_reference
from likewise.transforms.registry.errors import RegistryMissingError

_FILE_ENDINGS = (".safetensors", ".likewise", ".bin")


class ArtifactFileError(LikewiseError):
    """A file that was to be shown can't be read."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: expected the file of a transform, got: {reason.rstrip('.')}.")


class VersionNeededError(LikewiseError):
    """A name alone, which may mean several versions."""

    def __init__(self, name: str, choices: Sequence[str]) -> None:
        self.name, self.choices = name, tuple(choices)
        super().__init__(f"{name!r} alone names no version: expected one of {listing(self.choices)}.")


def names_file(text: str) -> bool:
    """Return whether a text means a file, not something in the registry."""
    return Path(text).is_file() or "/" in text or text.endswith(_FILE_ENDINGS)


def list_shelves(shelves: Sequence[str], *, as_json: bool) -> None:
    """Print what the registry holds, shelf by shelf; a registry that is not there yet is empty."""
    try:
        registry = open_registry(create=False)
    except RegistryMissingError as missing:
        held, hint = render.Held(), str(missing)
    else:
        held = render.Held(registry.releases(), registry.aliases(), registry.transforms(), registry.models())
        hint = f"the registry at {registry.url} is empty: publishing fills it, and so does `likewise demo`."
    wanted = {shelf: getattr(held, shelf) for shelf in shelves}
    if as_json:
        print_json(wanted)
    elif any(wanted.values()):
        render.shelves(held, shelves)
    elif held.releases or held.transforms or held.models:
        typer.echo(f"The registry holds no {' and no '.join(shelves)}.")
    else:
        typer.echo(hint)


def show(text: str, *, as_json: bool) -> None:
    """Print a release, a transform, a model, or the file of a transform."""
    if names_file(text):
        _show_file(text, as_json=as_json)
        return
    check_version_named(text)
    reference = parse_reference(text)
    {"release": _show_release, "transform": _show_transform, "model": _show_model}[reference.kind](
        str(reference), as_json=as_json
    )


def move_alias(name: str, alias: str, version: int, *, by: str | None, why: str, as_json: bool) -> None:
    """Move an alias and say from where to where."""
    registry = open_registry(create=False)
    before = {found.alias: found.version for found in registry.aliases(name)}.get(alias)
    move = registry.set_alias(name, alias, version, by=by, why=why)
    if as_json:
        print_json(move)
    elif before == version:
        typer.echo(f"{name}@{alias} is version {version} already; nothing was moved.")
    else:
        typer.echo(f"{name}@{alias}: {f'version {before}' if before else 'new'} -> version {version}")


def tell_log(name: str, *, as_json: bool) -> None:
    """Print every move of a release's aliases."""
    moves = open_registry(create=False).alias_log(name)
    if as_json:
        print_json(moves)
    elif moves:
        render.log(name, moves)
    else:
        typer.echo(f'No alias of {name} was ever set. Set one with: likewise alias {name} prod VERSION --why "..."')


def export(reference: str, file: Path, *, as_json: bool) -> None:
    """Write a bundle and say where and how large."""
    written = export_bundle(open_registry(create=False), reference, file)
    size_bytes = written.stat().st_size
    if as_json:
        print_json({"reference": reference, "file": str(written), "size_bytes": size_bytes})
    else:
        typer.echo(f"Exported {reference} to {written} ({size_bytes:,} bytes).")


def import_(file: Path, *, verified: bool, by: str | None, as_json: bool) -> None:
    """Import a bundle and say which version it has here."""
    made = import_bundle(open_registry(), file, by=by, verified=verified)
    if as_json:
        print_json({**_jsonable(made), "reference": made.reference, "is_new": made.is_new})
    else:
        typer.echo(f"{file} is {made.reference} here" + ("." if made.is_new else ", and was already."))


def print_json(value: object) -> None:
    """Print records as JSON: instants as ISO text in UTC."""
    typer.echo(json.dumps(_jsonable(value), indent=2, ensure_ascii=False))


def check_version_named(text: str) -> None:
    """Raise VersionNeededError, which tells the versions there are, for the name alone of something published."""
    prefix, colon, name = text.partition(":")
    kind, name = (prefix, name) if colon else ("", text)
    if kind not in ("", "release", "transform") or not name.replace("_", "").replace("-", "").isalnum():
        return
    registry = open_registry(create=False)
    aliases = [f"{name}@{alias.alias}" for alias in registry.aliases(name)]
    choices = [
        *(aliases if kind != "transform" else []),
        *(r.reference.removeprefix("release:") for r in registry.releases(name) if kind != "transform"),
        *(t.reference for t in registry.transforms(name) if kind != "release"),
    ]
    if choices:
        raise VersionNeededError(text, choices)


def _show_release(reference: str, *, as_json: bool) -> None:
    registry = open_registry(create=False)
    release = registry.release(reference)
    transform = registry.transform(f"transform:{release.transform}")
    aliases = [found.alias for found in registry.aliases(release.name) if found.version == release.version]
    if as_json:
        print_json({**_jsonable(release), "transform_reference": transform.reference, "aliases": aliases})
    else:
        render.release(release, transform, aliases)


def _show_transform(reference: str, *, as_json: bool) -> None:
    registry = open_registry(create=False)
    version = registry.transform(reference)
    fitted = registry.load(version.reference)
    used = [release.reference for release in registry.releases() if release.transform == version.digest]
    if as_json:
        print_json({**_jsonable(version), "releases": used, "artifact": describe(fitted)})
    else:
        render.transform_version(version, used)
        render.artifact_tables(describe(fitted))


def check(*, as_json: bool) -> None:
    """Read all that the registry holds, print what is damaged, and exit 1 if anything is."""
    registry = open_registry(create=False)
    findings = list(check_registry(registry))
    if as_json:
        print_json(findings)
    elif findings:
        render.findings(findings)
    else:
        counts = f"{len(registry.transforms())} transforms, {len(registry.models())} models"
        typer.echo(f"The registry at {registry.url} is whole: {counts}, {len(registry.releases())} releases.")
    if findings:
        raise typer.Exit(1)


def _show_model(reference: str, *, as_json: bool) -> None:
    registry = open_registry(create=False)
    record = registry.model(reference)
    model = registry.get_model(reference)
    sizes = {name: len(content) for name, content in model.files.items()}
    if as_json:
        print_json({**_jsonable(record), "files": sizes, "metadata": model.metadata})
    else:
        render.model(record, sizes, model.metadata)


def _show_file(path: str, *, as_json: bool) -> None:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ArtifactFileError(path, error.strerror or str(error)) from error
    try:
        fitted = FittedTransform.from_bytes(content)
        fitted.check_golden()
    except LikewiseError as error:
        raise ArtifactFileError(path, error.message) from error
    if as_json:
        print_json(describe(fitted))
    else:
        render.artifact(describe(fitted))


def _jsonable(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _jsonable({name: item for name, item in asdict(value).items() if name != "is_new"})
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
