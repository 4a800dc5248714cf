from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from likewise.transforms.registry import Registry, check_registry
from likewise.transforms.registry.authors import process_author
from likewise.transforms.registry.database import Database
from likewise.transforms.registry.errors import AmbiguousDigestError, RegistryUrlError
from likewise.transforms.registry.tables import aliases, models, transforms
from tests.transforms.registry.conftest import OpenRegistry
from tests.transforms.registry.fakes import FakeTransform, publish_all


def found(registry: Registry) -> dict[str, str]:
    return {finding.reference: finding.problem for finding in check_registry(registry)}


def test_a_whole_registry_has_no_findings(registry: Registry) -> None:
    """Nothing comes of a registry that is as it should be."""
    publish_all(registry, 2)
    registry.set_alias("flight_delay", "prod", 2, why="x")
    assert found(registry) == {}


def test_rows_lost_are_found(database_url: str, open_registry: OpenRegistry) -> None:
    """A version that somebody deleted from the database, and what hung on it, are named."""
    registry = open_registry()
    for state in range(3):
        registry.publish(FakeTransform(state=state))
    with Database(database_url).write() as connection:
        connection.execute(sa.delete(transforms).where(transforms.c.version == 2))
    assert "expected versions 1 to 2, got [1, 3]" in found(registry)["flight_delay"]


def test_an_alias_that_its_log_does_not_tell_is_found(database_url: str, open_registry: OpenRegistry) -> None:
    """An alias moved behind the log's back is named."""
    registry = open_registry()
    publish_all(registry, 2)
    registry.set_alias("flight_delay", "prod", 1, why="x")
    with Database(database_url).write() as connection:
        connection.execute(sa.update(aliases).values(version=2))
        connection.execute(sa.insert(aliases).values(name="flight_delay", alias="staging", version=1))
    assert "its log ends at version 1" in found(registry)["flight_delay@prod"]
    assert "its log ends at nothing" in found(registry)["flight_delay@staging"]


def test_each_damaged_blob_is_found(registry: Registry, tmp_path: Path) -> None:
    """Artifacts, files of models and manifests: whatever is damaged, what needs it is named."""
    publish_all(registry)
    for path in (tmp_path / "blobs" / "sha256").rglob("*"):
        if path.is_file():
            path.unlink()
    assert sorted(name.split(":")[0] for name in found(registry)) == ["model", "release", "transform"]


def test_a_shortened_digest_must_mean_one(database_url: str, open_registry: OpenRegistry) -> None:
    """Two models whose digests begin alike need more than the beginning."""
    registry = open_registry()
    row = {"file_count": 1, "size_bytes": 1, "created_by": "x", "created_at": datetime.now(UTC)}
    with Database(database_url).write() as connection:
        for last in "ab":
            connection.execute(sa.insert(models).values(**row, digest=f"sha256:{'a' * 63}{last}"))
    with pytest.raises(AmbiguousDigestError, match="Write more of it"):
        registry.model("model:sha256:aaaaaaaaaaaa")
    assert registry.model(f"sha256:{'a' * 64}").file_count == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_needs_a_place_for_blobs(database_url: str) -> None:
    """PostgreSQL has no folder beside it: without a place for blobs it is no registry."""
    with pytest.raises(RegistryUrlError, match="LIKEWISE_BLOBS"):
        Registry(database_url, open_transform=FakeTransform.from_bytes)


def test_somebody_always_goes_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user has no name, its number does."""

    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert process_author().startswith("uid ")
