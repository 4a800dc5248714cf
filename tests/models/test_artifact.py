import pytest

from likewise.models import ModelArtifact
from likewise.models.artifact import ModelMetadata, file_of
from likewise.models.errors import ModelError, ModelFileError


def test_metadata_survives_json(frozen_artifact: ModelArtifact) -> None:
    """Reading metadata and writing it again changes nothing."""
    metadata = ModelMetadata.from_json(frozen_artifact.metadata)
    assert metadata.to_json() == frozen_artifact.metadata
    assert (metadata.runtime, metadata.output) == ("litert", "late")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": None},
        {"runtime": "pickle"},
        {"inputs": []},
        {"inputs": [{"name": "numbers"}]},
        {"inputs": [{"name": "numbers", "dtype": "complex64", "width": 2, "cardinality": None}]},
        {"output": None},
        {"bound": 0.0},
        {"bound": 1},
        {"bound": "small"},
        {"bound": float("nan")},
    ],
)
def test_metadata_that_says_something_else_is_refused(change: dict, frozen_artifact: ModelArtifact) -> None:
    """Each field is checked before any file is opened."""
    with pytest.raises(ModelError, match="expected"):
        ModelMetadata.from_json({**frozen_artifact.metadata, **change})


def test_an_absent_file_is_named() -> None:
    """The error names the file that is wanted and those that are there."""
    with pytest.raises(ModelFileError, match=r"golden.safetensors.*only model.keras"):
        file_of(ModelArtifact({"model.keras": b""}, {}), "golden.safetensors")
