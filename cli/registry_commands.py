"""`likewise list | show | alias | log | check | bundle`: what the registry holds, and moving aliases.

SQLAlchemy (0.2 s) and the registry are loaded when one of these is called, never for the help page.
"""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class Shelf(StrEnum):
    """A part of what `likewise list` prints."""

    RELEASES = "releases"
    ALIASES = "aliases"
    TRANSFORMS = "transforms"
    MODELS = "models"


def register(app: typer.Typer) -> None:
    """Mount the registry's commands on the top group."""
    app.command("list")(list_)
    app.command("show")(show)
    app.command("alias")(alias)
    app.command("log")(log)
    app.command("check")(check)
    bundle = typer.Typer(no_args_is_help=True, help="A release or transform with all it needs, in one file.")
    bundle.command("export")(export)
    bundle.command("import")(import_)
    app.add_typer(bundle, name="bundle")


def list_(
    what: Annotated[Shelf | None, typer.Argument(help="Only these.", show_default="all")] = None,
    as_json: JsonOption = False,
) -> None:
    """List releases, aliases, transforms and models of the registry."""
    _actions().list_shelves([what.value] if what else [shelf.value for shelf in Shelf], as_json=as_json)


def show(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="NAME:VERSION or NAME@ALIAS of a release, transform:NAME:VERSION, model:sha256:..., "
            "or the file of a transform.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show a release, a transform or a model: what it pins, reads, gives and was made of."""
    _actions().show(reference, as_json=as_json)


def alias(
    name: Annotated[str, typer.Argument(help="The release's name.")],
    alias: Annotated[str, typer.Argument(help="The alias to move, such as prod.")],
    version: Annotated[int, typer.Argument(help="The version it shall name.", min=1)],
    why: Annotated[str, typer.Option("--why", help="The reason, for the log.")],
    by: Annotated[str | None, typer.Option("--by", help="Who moves it.", show_default="this user")] = None,
    as_json: JsonOption = False,
) -> None:
    """Point an alias at a version of a release; going back to an older one is the same command."""
    _actions().move_alias(name, alias, version, by=by, why=why, as_json=as_json)


def log(
    name: Annotated[str, typer.Argument(help="The release's name.")],
    as_json: JsonOption = False,
) -> None:
    """Tell who moved which alias of a release, when and why."""
    _actions().tell_log(name, as_json=as_json)


def check(as_json: JsonOption = False) -> None:
    """Read all that the registry holds and name what is damaged (exit 1) or say that it is whole."""
    _actions().check(as_json=as_json)


def export(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="NAME:VERSION, NAME@ALIAS or transform:NAME:VERSION.")
    ],
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced.")],
    as_json: JsonOption = False,
) -> None:
    """Write a release with its transform and models, or a transform, into one file."""
    _actions().export(reference, file, as_json=as_json)


def import_(
    file: Annotated[Path, typer.Argument(help="What `likewise bundle export` wrote, here or elsewhere.")],
    verified: Annotated[bool, typer.Option("--verified", help="Vouch for how its transform was fitted.")] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who imports.", show_default="this user")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle wholly, then publish what it holds in this registry."""
    _actions().import_(file, verified=verified, by=by, as_json=as_json)


def _actions() -> ModuleType:
    return import_module("likewise.cli.registry_actions")
