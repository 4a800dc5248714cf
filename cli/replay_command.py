"""`likewise replay`: compute a logged answer again and name the first stage that differs."""

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.progress import terminal
from likewise.cli.release_access import release_source
from likewise.cli.settings import load_settings
from likewise.serving.replay import Replayed
from likewise.serving.replay import replay as replay_request

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    log: Annotated[
        Path,
        typer.Argument(
            help="Folder of the request log (`likewise serve --request-log`).", exists=True, file_okay=False
        ),
    ],
    request_id: Annotated[str, typer.Option(help="The answer's X-Request-Id.")],
) -> None:
    """Recompute a logged request from its raw values; exit status 1 when a stage gives something else today."""
    found = replay_request(log, request_id, release_source(load_settings()).load)
    for line in lines_of(found):
        terminal().print(line, soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(0 if found.stage == "none" else 1)


def lines_of(found: Replayed) -> list[str]:
    """Return what came out, in words."""
    said = "gives the same answer" if found.stage == "none" else f"differs from the {found.stage} on"
    lines = [f"request {found.request_id}, release {found.release}: {said}"]
    if found.requests > 1:
        lines.append(f"  {found.requests} logged requests have this id; this is the latest")
    lines += [f"  {difference}" for difference in found.differs]
    if found.moved:
        lines.append(f"  definitions moved since the release was made: {', '.join(found.moved)}")
    return lines
