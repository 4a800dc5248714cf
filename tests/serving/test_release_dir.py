"""A release directory: written from a real registry and repository, served without them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from likewise.serving.app import build_app
from likewise.serving.errors import ReleaseDirectoryError, ReleaseRefusedError, SettingsError
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.open_parts import open_parts
from likewise.serving.open_release_dir import open_parts as open_directory
from likewise.serving.plan_json import plan_from_json, plan_to_json
from likewise.serving.registry_releases import RegistryReleases
from likewise.serving.release_dir import BUNDLE, FEATURES, MANIFEST, ReleaseName, read_release_dir, write_release_dir
from likewise.serving.settings import ServingSettings
from likewise.stores.clock import FixedClock
from likewise.transforms.registry import export_bundle
from tests.serving import fakes
from tests.serving.client import serving
from tests.serving.fakes import NOW
from tests.serving.real_project import ROWS, Project, project_in

BODY = {
    "entities": {"carrier": ROWS["carrier"]},
    "request": {"distance": ROWS["distance"], "departs": ROWS["departs"]},
}
MEMORY_BAR_MB = 250


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_in(tmp_path_factory.mktemp("project")) as project:
        yield project


def write(project: Project, target: Path, name: str = "small") -> Path:
    """Write a release of the project into a folder, as the command does."""
    repository = FeastRepository(project.repo, FixedClock(NOW))
    loaded = RegistryReleases(project.registry, repository).load(name, 1)
    identity = loaded.identity
    bundle = export_bundle(project.registry, f"release:{identity.reference}", target.with_suffix(".draft"))
    held = ReleaseName(identity.name, identity.version, identity.digest, identity.created_at)
    return write_release_dir(target, held, bundle, repository.features_of(loaded))


def settings(folder: Path, **changes: object) -> ServingSettings:
    """Return settings that serve a folder."""
    base = ServingSettings(release_dir=folder, releases=("small:1",), clock=NOW.isoformat(), allow_code=True)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_directory_answers_as_the_registry_does(project: Project, tmp_path: Path) -> None:
    """Predictions, vectors and features from a directory are byte for byte those from registry and repository."""
    folder = write(project, tmp_path / "small-1")
    asked = [
        ("/v1/predict/small:1?explain=inputs", BODY),
        ("/v1/vectors/small:1", BODY),
        ("/get-online-features", {"feature_service": "full", "entities": {**BODY["entities"], **BODY["request"]}}),
        (
            "/get-online-features",
            {"features": ["carrier_stats:flights"], "full_feature_names": True, "entities": {"carrier": ["UA"]}},
        ),
    ]
    answers = []
    registered = project.settings(releases=("small:1",))
    for parts, chosen in ((open_parts(registered), registered), (open_directory(settings(folder)), settings(folder))):
        with serving(build_app(chosen, parts)) as client:
            answers.append([client.post(path, json=body).content for path, body in asked])
            assert client.get("/health/ready").json()["status"] == "ready"
    assert answers[0] == answers[1]
    assert all(json.loads(answer).get("status") is None for answer in answers[1])


@pytest.mark.slow
def test_a_directory_knows_only_its_release(project: Project, tmp_path: Path) -> None:
    """Another release, service or feature is 404, and writing is refused with what to do."""
    folder = write(project, tmp_path / "small-1")
    with serving(build_app(settings(folder), open_directory(settings(folder)))) as client:
        assert client.post("/v1/predict/small:2", json=BODY).status_code == 404
        service = client.post("/get-online-features", json={"feature_service": "fuller", "entities": {"carrier": []}})
        assert service.status_code == 404
        assert "Did you mean 'full'" in service.json()["detail"]
        feature = {"features": ["carrier_stats:seats"], "entities": {"carrier": ["UA"]}}
        assert client.post("/get-online-features", json=feature).status_code == 404
        assert client.post("/push", json={"push_source_name": "x", "df": {"a": [1]}}).status_code == 422


@pytest.mark.slow
def test_code_runs_only_when_it_is_allowed(project: Project, tmp_path: Path) -> None:
    """A directory with on-demand views is refused, by name and with what to do, unless its code is allowed."""
    folder = write(project, tmp_path / "small-1")
    with pytest.raises(ReleaseDirectoryError, match=r"calendar, ratio.*--allow-code"):
        open_directory(settings(folder, allow_code=False))


@pytest.mark.slow
def test_no_byte_may_change(project: Project, tmp_path: Path) -> None:
    """A changed byte, a cut end or a missing file anywhere in a directory is refused, naming the file."""
    folder = write(project, tmp_path / "small-1")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {MANIFEST, BUNDLE, FEATURES} < {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        for at in {0, len(content) // 3, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(ReleaseDirectoryError, match=path.name):
                read_release_dir(folder)
        path.write_bytes(content[:-1])
        with pytest.raises(ReleaseDirectoryError, match=path.name):
            read_release_dir(folder)
        path.unlink()
        with pytest.raises(ReleaseDirectoryError, match=path.name):
            read_release_dir(folder)
        path.write_bytes(content)
    read_release_dir(folder)


@pytest.mark.slow
def test_parts_of_two_directories_do_not_mix(project: Project, tmp_path: Path) -> None:
    """A sound bundle of another release in a directory is refused."""
    project.registry.publish_release(replace(project.spec, name="twin", metrics={"roc_auc": 0.6}))
    small, twin = write(project, tmp_path / "small-1"), write(project, tmp_path / "twin-1", "twin")
    held = read_release_dir(small)
    bundle = tmp_path / "bundle"
    bundle.write_bytes((twin / BUNDLE).read_bytes())
    mixed = write_release_dir(tmp_path / "mixed", held.name, bundle, held.features)
    with pytest.raises(ReleaseDirectoryError, match="another release than small:1"):
        read_release_dir(mixed)
    moved = replace(held.features, fingerprint="sha256:other")
    other = write_release_dir(tmp_path / "other", held.name, small / BUNDLE, moved)
    with pytest.raises(ReleaseDirectoryError, match="features are not those that small:1 pinned"):
        read_release_dir(other)


@pytest.mark.slow
def test_nothing_is_overwritten_or_left_half(project: Project, tmp_path: Path) -> None:
    """Writing where something is changes nothing; releases whose definitions moved are not written."""
    folder = write(project, tmp_path / "small-1")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ReleaseDirectoryError, match="it exists"):
        write(project, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    project.registry.publish_release(
        replace(project.spec, name="moved", definitions_fingerprint="sha256:0", definitions={})
    )
    with pytest.raises(ReleaseRefusedError, match="definitions moved"):
        write(project, tmp_path / "moved-1", "moved")


@pytest.mark.slow
def test_a_password_is_never_written(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection string with a password stays out of the directory; a server then asks for REDIS_URL."""
    repository = FeastRepository(project.repo, FixedClock(NOW))
    monkeypatch.setattr(repository.store.config.online_store, "connection_string", "redis://:hunter2@db:6379/0")
    loaded = RegistryReleases(project.registry, repository).load("small", 1)
    features = repository.features_of(loaded)
    assert features.store.connection_string is None
    folder = write(project, tmp_path / "small-1")
    held = read_release_dir(folder)
    bare = write_release_dir(tmp_path / "bare", held.name, folder / BUNDLE, features)
    assert b"hunter2" not in b"".join(path.read_bytes() for path in bare.rglob("*.json"))
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(SettingsError, match="REDIS_URL"):
        open_directory(settings(bare))


@pytest.mark.slow
def test_a_worker_of_a_directory_is_small_and_without_feast(project: Project, tmp_path: Path) -> None:
    """A predicting worker without on-demand views imports neither Feast nor TensorFlow and stays small."""
    refs = ("carrier_stats:mean_delay", "carrier_stats:flights")
    folder = write(project, tmp_path / "small-1")
    held = read_release_dir(folder)
    plan = replace(
        held.features.plan,
        computed=(),
        request_fields=(),
        served=tuple(item for item in held.features.plan.served if f"{item.view}:{item.field.name}" in refs),
    )
    bare = write_release_dir(tmp_path / "bare", held.name, folder / BUNDLE, replace(held.features, plan=plan, code={}))
    code = f"""
import sys
from pathlib import Path
from likewise.models import load_predictor
from likewise.serving.app import build_app
from likewise.serving.open_release_dir import open_parts
from likewise.serving.run import run
from likewise.serving.settings import ServingSettings
from likewise.serving.release_dir import read_release_dir
folder = Path({str(bare)!r})
settings = ServingSettings(release_dir=folder, releases=("small:1",))
parts = open_parts(settings)
app = build_app(settings, parts)
bundle = read_release_dir(folder).bundle
bundle.transform.check_golden()
load_predictor(next(iter(bundle.models.values()))).check_golden()
heavy = sorted({{"feast", "tensorflow", "keras", "duckdb"}} & set(sys.modules))
resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
print(heavy, round(resident))
"""
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    heavy, resident = answer.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(resident) < MEMORY_BAR_MB


def test_a_plan_as_json_is_the_plan() -> None:
    """A plan comes back from JSON as it was, whatever names its features have."""
    for full_names in (False, True):
        plan = fakes.plan(full_names=full_names)
        assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
