"""The frozen model artifact that most tests load."""

import json
from pathlib import Path

import pytest

from likewise.models import ModelArtifact

FROZEN = Path(__file__).parent / "artifact_format_1"


@pytest.fixture
def frozen_artifact() -> ModelArtifact:
    """Return an artifact as it was written on the day format 1 shipped."""
    files = {path.name: path.read_bytes() for path in FROZEN.iterdir() if path.name != "metadata.json"}
    return ModelArtifact(files, json.loads((FROZEN / "metadata.json").read_text()))
