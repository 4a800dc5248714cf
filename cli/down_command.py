"""`likewise down`: stop the embedded Redis servers below the home folder."""

import os
from pathlib import Path

import typer
import yaml
from rich.console import Console

from likewise.cli.settings import load_settings
from likewise.stores import embedded
from likewise.stores.redis_url import EMBEDDED

app = typer.Typer(add_completion=False)


@app.command()
def down() -> None:
    """Stop every embedded Redis server of this project; its data stays on disk."""
    console = Console(highlight=False)
    settings = load_settings()
    folders = {folder.resolve() for folder in server_folders(settings.home)} | repository_folder(settings.repo)
    stopped = [folder for folder in sorted(folders) if embedded.stop(folder)]
    for folder in stopped:
        console.print(f"stopped the Redis server of {folder}")
    if not stopped:
        console.print("no embedded Redis server is running")


def repository_folder(repo: Path) -> set[Path]:
    """Return the folder of the embedded server that a repository's `feature_store.yaml` names, if it names one."""
    try:
        config = yaml.safe_load(os.path.expandvars((repo / "feature_store.yaml").read_text("utf-8")))
        named = str(config["online_store"]["connection_string"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return set()
    return {(repo / named.removeprefix(EMBEDDED)).resolve()} if named.startswith(EMBEDDED) else set()


def server_folders(home: Path) -> list[Path]:
    """Return the folders below `home` that hold (or held) an embedded server, in order."""
    return sorted(path.parent for path in home.glob(f"**/{embedded.STATE_FILE}"))
