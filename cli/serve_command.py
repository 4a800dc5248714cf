"""`likewise serve`: features and predictions over HTTP."""

from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from likewise.cli.errors import NothingToServeError
from likewise.cli.registry_access import ALIAS, open_registry
from likewise.cli.settings import Settings, load_settings
from likewise.serving.run import run
from likewise.serving.settings import ROLES, Role, ServingSettings, Tokens

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    release: Annotated[
        list[str] | None,
        typer.Option(help="What to serve: NAME@ALIAS follows the alias, NAME:VERSION is fixed. Default: every @prod."),
    ] = None,
    repo: Annotated[Path | None, typer.Option(help="The Feast repository (LIKEWISE_REPO).")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 1,
    request_log: Annotated[Path | None, typer.Option(help="Folder for the request log; none is kept without.")] = None,
    roles: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(ROLES)}.")] = ",".join(ROLES),
) -> None:
    """Serve features and predictions over HTTP until stopped by SIGINT or SIGTERM."""
    settings = load_settings()
    chosen = ServingSettings(
        repo=repo or settings.repo,
        registry=settings.registry,
        blobs=settings.blobs,
        releases=tuple(release or promoted_releases(settings)),
        roles=cast("tuple[Role, ...]", tuple(role.strip() for role in roles.split(","))),  # checked when made
        host=host,
        port=port,
        workers=workers,
        clock=settings.clock,
        request_log=request_log,
        tokens=Tokens(write=(settings.token,) if settings.token else ()),
    )
    _print_settings(chosen)
    run(chosen)


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
    console = Console(stderr=True, highlight=False)
    for name, value in settings.describe().items():
        console.print(f"[dim]{name:<22}[/] {value}", soft_wrap=True)
