"""The `likewise` command: mounts the commands and turns errors into messages and exit codes."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from likewise.cli import registry_commands
from likewise.cli.lazy_group import LazyGroup, add_placeholders
from likewise.cli.version import VERSION
from likewise.transforms.errors import LikewiseError

BAD_INPUT = 2

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Likewise: a feature store plus a transform registry. What training did, serving does likewise.",
)
add_placeholders(app)
registry_commands.register(app)


def _print_version(wanted: bool) -> None:  # typer calls it so
    if wanted:
        typer.echo(f"likewise {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options of every command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit 2 with a message, never a traceback, on input that can't be used."""
    # The stores draw bars of their own for who calls Feast directly; here each step has one already.
    os.environ.setdefault("LIKEWISE_PROGRESS", "off")
    try:
        app(args=list(arguments) if arguments is not None else None)
    except LikewiseError as error:
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(130)
