"""Workers without Feast: what a process of its own resolves is what Feast would resolve in the worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from likewise.serving import resolved_repository, resolver
from likewise.serving.app import build_app
from likewise.serving.errors import FeastUnreadableError, SettingsError, UnknownFeatureServiceError
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.open_parts import open_parts
from likewise.serving.open_predict_parts import needs_no_feast, opener
from likewise.serving.registry_file import has_registry_file
from likewise.serving.registry_releases import RegistryReleases
from likewise.serving.resolution import Resolution
from likewise.serving.resolved_repository import ResolvedRepository
from likewise.serving.resolver import Question
from likewise.stores.clock import FixedClock
from likewise.stores.errors import FeatureServiceUnknownError
from likewise.transforms import LikewiseError
from tests.serving.client import serving
from tests.serving.fakes import NOW
from tests.serving.real_project import ROWS, Project, project_in
from tests.serving.server_process import Server, running

pytestmark = pytest.mark.slow
MEMORY_BAR_MB = 250
SERVICES = ("full", "plain", "routes", "plane")  # the last one does not exist


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_in(tmp_path_factory.mktemp("project")) as project:
        yield project


@pytest.fixture(scope="module")
def known(project: Project) -> Resolution:
    return Question(project.repo, SERVICES).answer()


def test_the_child_resolves_what_feast_resolves_here(project: Project, known: Resolution) -> None:
    """Plans, fingerprints and errors (class, text, what they carry) of the child are those of Feast in this process."""
    there = ResolvedRepository(project.repo, known, FixedClock(NOW))
    here = FeastRepository(project.repo, FixedClock(NOW))
    assert there.project == here.project
    for service in ("full", "plain", "routes"):
        assert there.plan_of(service).is_same_as(here.plan_of(service))
        wanted, found = here.definitions(service), there.definitions(service)
        assert (found.fingerprint, found.parts) == (wanted.fingerprint, dict(wanted.parts))
        assert found.differences({}) == wanted.differences({}) != ()
    with pytest.raises(LikewiseError) as expected:
        here.plan_of("plane")
    with pytest.raises(type(expected.value)) as got:
        there.plan_of("plane")
    assert type(got.value) is type(expected.value)
    assert (str(got.value), vars(got.value)) == (str(expected.value), vars(expected.value))


def test_a_repository_that_feast_refuses_is_the_same_error(project: Project, tmp_path: Path) -> None:
    """A repository on another online store is refused by the child in the words of this process."""
    text = (project.repo / "feature_store.yaml").read_text()
    store = "type: likewise.stores.packed_redis.PackedRedisOnlineStore\n  connection_string: embedded:redis"
    assert store in text
    (tmp_path / "feature_store.yaml").write_text(text.replace(store, "type: redis"))
    with pytest.raises(SettingsError) as expected:
        FeastRepository(tmp_path, FixedClock(NOW))
    with pytest.raises(SettingsError) as got:
        Question(tmp_path, ()).answer()
    assert str(got.value) == str(expected.value)
    assert got.value.name == "online_store"


def test_feast_is_asked_again_only_when_the_registry_changed(
    project: Project, known: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry file of the same content asks nobody, also when its time moved; another content asks once."""
    asked: list[list[str]] = []

    class Asked(Question):
        def __init__(self, _: Path, services: list[str]) -> None:
            asked.append(services)

        def answer(self) -> Resolution:
            return known

    monkeypatch.setattr(resolved_repository, "Question", Asked)
    repository = ResolvedRepository(project.repo, known, FixedClock(NOW))
    repository.refresh()
    os.utime(known.registry_file)
    repository.refresh()
    assert asked == []
    file = Path(known.registry_file)
    content = file.read_bytes()
    try:
        file.write_bytes(content + b"\0")
        repository.refresh()
        assert [sorted(services) for services in asked] == [sorted(SERVICES)]
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("error", [UnknownFeatureServiceError("full", []), FeatureServiceUnknownError("full", [])])
def test_a_service_that_is_gone_has_moved(error: LikewiseError) -> None:
    """A feature service that was deleted raises the alarm of moved definitions, not an error in the background."""

    class Pinned:
        def release(self, _: str) -> object:
            return SimpleNamespace(feature_service="full", definitions={}, definitions_fingerprint="sha256:1")

    class Gone:
        def definitions(self, _: str) -> object:
            raise error

    releases = RegistryReleases(cast("Any", Pinned()), cast("Any", Gone()))
    answers: Any = SimpleNamespace(identity=SimpleNamespace(reference="small:1"))
    assert releases.moved(answers) == ("service:full",)


def test_a_server_without_feast_predicts_the_same_bits(project: Project) -> None:
    """A worker that only predicts answers, on-demand views included, what a worker with Feast answers."""
    full, lean = project.settings(), project.settings(roles=("predict",))
    assert needs_no_feast(lean)
    assert not needs_no_feast(full)
    body = {"entities": {"carrier": ROWS["carrier"]}, "request": {n: ROWS[n] for n in ("distance", "departs")}}
    answers = []
    for parts, settings in ((open_parts(full), full), (opener(lean)(lean), lean)):
        with serving(build_app(settings, parts)) as client:
            assert client.get("/health/ready").status_code == 200
            answers.append(client.post("/v1/predict/small?explain=inputs", json=body).content)
    assert answers[0] == answers[1]


def test_a_worker_that_only_predicts_imports_no_feast(project: Project) -> None:
    """Opening the repository, the registry and a plan without on-demand views imports no Feast and no pandas."""
    views = {name: digest for name, digest in project.spec.definitions.items() if name.startswith("view:")}
    project.registry.publish_release(replace(project.spec, name="flat", definitions=views))
    code = f"""
import sys
from pathlib import Path
from likewise.serving.app import build_app
from likewise.serving.open_predict_parts import opener
from likewise.serving.run import run
from likewise.serving.settings import ServingSettings
repo, roles = Path({str(project.repo)!r}), ("predict",)
settings = ServingSettings(repo=repo, registry={project.url!r}, roles=roles, releases=("flat:1",))
parts = opener(settings)(settings)
parts.source.reader(parts.source.plan_of("plain"))
build_app(settings, parts)
resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
print(sorted({{"feast", "pandas", "tensorflow", "keras", "duckdb"}} & set(sys.modules)), round(resident))
"""
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    heavy, resident = answer.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(resident) < MEMORY_BAR_MB


def test_workers_share_one_resolution(tmp_path: Path) -> None:
    """When the Feast registry changed, Feast is asked once for all workers, and answers go on meanwhile."""
    options = ["--roles", "predict", "--workers", "3", "--release", "small@prod", "--definitions-seconds", "0.3"]
    change = "view = store.get_feature_view('carrier_stats'); view.tags = {'owner': 'me'}; store.apply([view])"
    with project_in(tmp_path) as project, running(project.repo, *options, **project.environ()) as server:
        code = f"from feast import FeatureStore; store = FeatureStore(repo_path={str(project.repo)!r}); {change}"
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
        while not _asked(server):
            assert server.get("/health/ready")
            time.sleep(0.1)
        time.sleep(3.0)  # ten looks of each worker, and longer than one of them asks
        assert _asked(server) == 1
        assert server.end() == 0


def _asked(server: Server) -> int:
    return sum("asked again, for every worker" in line for line in list(server.log))


def test_a_child_that_fails_is_an_error_with_its_last_words(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that ends without an answer is an error that says how it ended, not a wait or a half answer."""
    monkeypatch.setattr(resolver, "CHILD", "likewise.serving.no_such_module")
    with pytest.raises(FeastUnreadableError, match=r"status 1: .*no_such_module"):
        Question(project.repo, ()).answer()


@pytest.mark.parametrize(
    ("registry", "is_file"),
    [
        ("registry: data/registry.db", True),
        ("registry: {registry_type: file, path: ../r.db}", True),
        ("registry: {path: r.db}", True),
        ("registry: s3://bucket/registry.db", False),
        ("registry: {registry_type: sql, path: 'postgresql://host/db'}", False),
        ("registry: {registry_type: file, registry_store_type: mine.Store, path: r.db}", False),
        ("registry: ${REGISTRY}", False),
        ("registry: [", False),
        ("project: x", False),
    ],
)
def test_which_registries_are_files(tmp_path: Path, registry: str, is_file: bool) -> None:
    """Only a registry that is a local file for sure is watched by its file."""
    (tmp_path / "feature_store.yaml").write_text(registry)
    assert has_registry_file(tmp_path) is is_file
