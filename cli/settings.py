"""The settings of a process: read once, from options and the environment, then frozen."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from likewise.stores.clock import parse_clock
from likewise.stores.redis_url import masked

DEFAULT_CLOCK = "wall"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and which time it is.

    Attributes
    ----------
    home
        Folder of everything Likewise writes by itself (`LIKEWISE_HOME`).
    repo
        The Feast repository (`LIKEWISE_REPO`).
    registry
        SQLAlchemy URL of the registry (`LIKEWISE_REGISTRY`).
    blobs
        Path or fsspec URL of the registry's blobs (`LIKEWISE_BLOBS`).
    redis_url
        An outside Redis in place of the embedded one (`REDIS_URL`); None means embedded.
    clock
        `wall` or an ISO instant with its zone (`LIKEWISE_CLOCK`).
    token
        Bearer token that guards writes of the HTTP service (`LIKEWISE_TOKEN`; several: separated by commas).
    read_token
        Bearer token that may only read; if set, reads need one (`LIKEWISE_READ_TOKEN`; several likewise).
    """

    home: Path
    repo: Path
    registry: str
    blobs: str
    redis_url: str | None
    clock: str
    token: str | None
    read_token: str | None = None

    def describe(self) -> dict[str, str]:
        """Return every setting as text, with secrets masked."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("token", "read_token"):
            shown[name] = "set (hidden)" if getattr(self, name) else "none"
        shown["registry"] = masked(self.registry)
        shown["redis_url"] = masked(self.redis_url) if self.redis_url else "embedded"
        return {name: str(value) for name, value in shown.items()}


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment asks for.

    Raises
    ------
    ClockError
        When the clock names no instant.
    """
    home = Path(environ.get("LIKEWISE_HOME") or ".likewise")
    clock = environ.get("LIKEWISE_CLOCK") or DEFAULT_CLOCK
    parse_clock(clock)  # refuses what is no instant before anything is done by it
    return Settings(
        home=home,
        repo=Path(environ.get("LIKEWISE_REPO") or "feature_repo"),
        registry=environ.get("LIKEWISE_REGISTRY") or f"sqlite:///{home / 'registry.db'}",
        blobs=environ.get("LIKEWISE_BLOBS") or str(home / "blobs"),
        redis_url=environ.get("REDIS_URL") or None,
        clock=clock,
        token=environ.get("LIKEWISE_TOKEN") or None,
        read_token=environ.get("LIKEWISE_READ_TOKEN") or None,
    )
