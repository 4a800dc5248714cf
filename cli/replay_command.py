"""`likewise replay`: compute a logged answer again and name the first stage that differs."""

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.progress import terminal
from likewise.cli.release_access import release_source
from likewise.cli.settings import load_settings
from likewise.serving.replay import replay as replay_request

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    log: Annotated[Path, typer.Argument(help="Folder of the request log (`likewise serve --request-log`).")],
    request_id: Annotated[str, typer.Option(help="The answer's X-Request-Id.")],
) -> None:
    """Recompute a logged request from its raw values; exit status 1 when a stage gives something else today."""
    found = replay_request(log, request_id, release_source(load_settings()).load)
    same = found.stage == "none"
    said = "gives the same answer" if same else f"differs from the {found.stage} on"
    terminal().print(f"request {request_id}, release {found.release}: {said}", soft_wrap=True)
    raise typer.Exit(0 if same else 1)
