"""A process of its own that opens a Feast repository, says in JSON what serving needs of it, and ends.

Feast takes 5 s to import and 60 MB of a worker that needs it for nothing else. The question is JSON on standard
input, `{"repo": ..., "services": [...]}`; the answer is JSON on what standard output was at the start.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from likewise.serving.feast_repository import FeastRepository
from likewise.serving.on_demand_code import code_of
from likewise.serving.registry_file import digest_of_file
from likewise.serving.resolution import Resolution, ResolvedService, error_to_json, resolution_to_json
from likewise.stores.clock import WallClock
from likewise.transforms.errors import LikewiseError


def resolve(repo: Path, services: Sequence[str]) -> Resolution:
    """Return what a Feast repository says of feature services.

    Raises
    ------
    SettingsError
        The repository can't be used.
    """
    repository = FeastRepository(repo, WallClock())
    config = repository.store.config
    path = Path(config.registry.path)
    registry_file = path if path.is_absolute() else repo.resolve() / path
    # The digest first: what is written between the two then differs from it and is read again.
    digest = digest_of_file(registry_file)
    repository.refresh()
    return Resolution(
        project=repository.project,
        connection_string=config.online_store.connection_string,
        kind=config.online_store.redis_type.value,
        sentinel_master=config.online_store.sentinel_master,
        registry_file=str(registry_file),
        registry_digest=digest,
        services={service: _resolve(repository, service) for service in services},
    )


def _resolve(repository: FeastRepository, service: str) -> ResolvedService | LikewiseError:
    try:
        resolved = repository.plan_of(service)
        return ResolvedService(resolved.plan, repository.definitions(service), code_of(resolved.on_demand))
    except LikewiseError as error:
        return error


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a question."""
    try:
        return {"resolution": resolution_to_json(resolve(Path(question["repo"]), question["services"]))}
    except LikewiseError as error:
        return {"error": error_to_json(error)}


def main() -> None:
    """Answer one question."""
    with os.fdopen(os.dup(1), "w") as pipe:
        os.dup2(2, 1)  # what Feast prints must not come into the answer
        json.dump(answer(json.load(sys.stdin)), pipe, default=str)
    os._exit(0)  # everything is said: taking Feast down again would only take time
