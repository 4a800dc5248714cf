"""`likewise down`: stop the embedded Redis servers below the home folder."""

from pathlib import Path

import typer
from rich.console import Console

from likewise.cli.settings import load_settings
from likewise.stores import embedded

app = typer.Typer(add_completion=False)


@app.command()
def down() -> None:
    """Stop every embedded Redis server of this project; its data stays on disk."""
    console = Console(highlight=False)
    stopped = [folder for folder in server_folders(load_settings().home) if embedded.stop(folder)]
    for folder in stopped:
        console.print(f"stopped the Redis server of {folder}")
    if not stopped:
        console.print("no embedded Redis server is running")


def server_folders(home: Path) -> list[Path]:
    """Return the folders below `home` that hold (or held) an embedded server, in order."""
    return sorted(path.parent for path in home.glob(f"**/{embedded.STATE_FILE}"))
