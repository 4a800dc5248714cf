"""A command group that loads a command's module only when the command is called.

Feast costs 5 s and TensorFlow 8 s to import; `likewise --help` and `likewise list` need neither.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

PACKAGE = "likewise.cli"

# command: (module with a `typer.Typer` called `app`, help on the group's page)
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo_command", "The main job end to end on real flights, then a report."),
    "run": ("run_command", "Run a recipe: history, fit, train, evaluate, gate, publish, promote."),
    "materialize": (
        "materialize_command",
        "Bring the online store to the clock's instant, by declared cadence.",
    ),
    "migrate-online": (
        "migrate_online_command",
        "Move a Redis that Feast filled to packed rows, check it, move it back.",
    ),
    "parity": ("parity_command", "Compare what serving reads with what training read."),
    "serve": ("serve_command", "Serve features and predictions over HTTP."),
    "release-dir": ("release_dir_command", "A release in a folder that a server starts from, without a registry."),
    "verify": ("verify_command", "Prove a release on this machine, ahead of a roll-out."),
    "diff": ("diff_command", "What changed between two fitted transforms, with a verdict."),
    "predict": ("predict_command", "Score a Parquet file by the code that serves."),
    "replay": ("replay_command", "Compute a logged answer again and name the first stage that differs."),
    "export": ("export_command", "A transform as a Keras model or as SQL, proved before it is written."),
    "down": ("down_command", "Stop the embedded Redis server."),
}


class LazyGroup(TyperGroup):
    """The top group: commands of `COMMANDS` stand in it as placeholders until called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that `args` name, its module loaded."""
        if not args or args[0] not in COMMANDS:
            return super().resolve_command(ctx, args)
        name = args[0]
        command = typer.main.get_command(import_module(f"{PACKAGE}.{COMMANDS[name][0]}").app)
        command.name = name
        return name, command, args[1:]


def add_placeholders(app: typer.Typer) -> None:
    """Give every lazy command its line on the help page."""
    for name, (_, text) in COMMANDS.items():
        app.command(name, help=text)(_never_called)


def _never_called() -> None:
    raise NotImplementedError("LazyGroup.resolve_command loads the real command")
