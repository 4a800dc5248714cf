"""`likewise serve`: features and predictions over HTTP."""

import sys

import orjson
import typer
from rich.console import Console

from likewise.cli.errors import NothingToServeError, SettingError
from likewise.cli.options_class import taking
from likewise.cli.registry_access import ALIAS, open_registry
from likewise.cli.serving_options import ServingOptions
from likewise.cli.settings import Settings, load_settings
from likewise.serving.release_dir import release_name
from likewise.serving.run import run
from likewise.serving.settings import ServingSettings

app = typer.Typer(add_completion=False)


@app.command()
@taking(ServingOptions)
def serve(options: ServingOptions) -> None:
    """Serve features and predictions over HTTP until stopped by SIGINT or SIGTERM; SIGHUP reloads."""
    base = load_settings()
    settings = options.settings(base, tuple(_references(options, base)))
    _print_settings(settings)
    run(settings)


def _references(options: ServingOptions, base: Settings) -> list[str]:
    """Return what is to be served: what was asked for, what the directory holds, or what is promoted."""
    if options.release_dir is not None:
        held = release_name(options.release_dir).reference
        if options.release and options.release != [held]:
            raise SettingError("release", f"{held}, which the release directory holds", ", ".join(options.release))
        return [held]
    if options.release:
        return options.release
    return promoted_releases(base) if "predict" in options.chosen_roles else []


def promoted_releases(settings: Settings) -> list[str]:
    """Return `NAME@prod` of every release that has this alias.

    Raises
    ------
    NothingToServeError
        No release has it.
    """
    registry = open_registry(settings)
    found = sorted(f"{one.name}@{ALIAS}" for one in registry.aliases() if one.alias == ALIAS)
    if not found:
        raise NothingToServeError(settings.registry, ALIAS)
    return found


def _print_settings(settings: ServingSettings) -> None:
    shown = settings.describe()
    if settings.log.format == "json":
        sys.stderr.write(orjson.dumps({"message": "settings", **shown}).decode() + "\n")
        return
    console = Console(stderr=True, highlight=False)
    for name, value in shown.items():
        console.print(f"[dim]{name:<22}[/] {value}", soft_wrap=True, markup=True)
