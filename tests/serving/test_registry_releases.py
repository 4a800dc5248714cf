"""Releases of a real registry over a real Feast repository with real Redis and LiteRT."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from likewise.serving.app import build_app
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import ReleaseRefusedError
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.open_parts import open_parts
from likewise.serving.registry_releases import RegistryReleases
from likewise.stores.clock import FixedClock
from likewise.transforms import LikewiseError
from tests.serving.client import serving
from tests.serving.fakes import NOW
from tests.serving.real_project import ROWS, Project, project_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_in(tmp_path_factory.mktemp("project")) as project:
        yield project


def test_http_and_direct_predictions_are_the_same_bits(project: Project) -> None:
    """A prediction over HTTP has the bits of the release's own `predict`, row by row and in any batch."""
    repository = FeastRepository(project.repo, FixedClock(NOW))
    release = RegistryReleases(project.registry, repository).load("small", 1)
    rows = check_rows(release.reader.plan, ROWS, RowRules("request", 10, ignore_unknown=False))
    direct = release.predict(rows).predictions
    assert direct is not None
    with serving(build_app(project.settings(), open_parts(project.settings()))) as client:
        body = {"entities": {"carrier": ROWS["carrier"]}, "request": {n: ROWS[n] for n in ("distance", "departs")}}
        answer = client.post("/v1/predict/small?explain=inputs", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        singles = [
            client.post(
                "/v1/predict/small", json={part: {n: [v[at]] for n, v in body[part].items()} for part in body}
            ).json()["predictions"][0]
            for at in range(3)
        ]
        vectors = client.post("/v1/vectors/small", json=body).json()
    assert np.array_equal(np.array(found["predictions"], np.float32), direct)
    assert np.array_equal(np.array(singles, np.float32), direct)
    assert found["release"] == "small:1"
    assert found["transform"] == project.release.transform
    assert found["statuses"] == {"carrier_stats": ["PRESENT", "PRESENT", "NOT_FOUND"]}
    assert found["inputs"]["features"]["hour"]["values"] == [23, 23, 23]
    assert vectors["outputs"]["carrier"] == [4, 3, 6]


def test_the_contract_shows_metrics_and_types(project: Project) -> None:
    """A release's contract names its request fields, features, outputs and metrics, and its example is answered."""
    with serving(build_app(project.settings(), open_parts(project.settings()))) as client:
        contract = client.get("/v1/predict/small@prod/contract").json()
        assert contract["metrics"] == {"roc_auc": 0.7}
        assert [output["name"] for output in contract["outputs"]] == ["numbers", "carrier", "route"]
        assert client.post("/v1/predict/small", json=contract["example"]).status_code == 200
        shown = client.get("/v1/registry/releases/small:1").json()
        assert shown["digest"] == project.release.digest
        assert client.get("/v1/registry/releases/smal:1").status_code == 404
        assert client.get("/v1/registry/aliases/small").json()["log"][0]["why"] == "first"


def test_a_release_of_other_definitions_alarms_or_is_refused(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """When the Feast registry no longer holds what a release pinned, serving says loudly what moved, or refuses."""
    other = replace(
        project.spec,
        name="moved",
        definitions_fingerprint="sha256:" + "0" * 64,
        definitions={**project.spec.definitions, "view:carrier_stats": "sha256:" + "1" * 64},
    )
    project.registry.publish_release(other)
    repository = FeastRepository(project.repo, FixedClock(NOW))
    loaded = RegistryReleases(project.registry, repository).load("moved", 1)
    assert loaded.identity.moved == ("view:carrier_stats",)
    assert "DEFINITIONS MOVED" in caplog.text
    with pytest.raises(ReleaseRefusedError, match="view:carrier_stats"):
        RegistryReleases(project.registry, repository, on_moved_definitions="refuse").load("moved", 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"feast_project": "elsewhere"}, "elsewhere"),
        ({"feature_refs": ("carrier_stats:gone",)}, "no longer has carrier_stats:gone"),
        ({"join_keys": ("carrier", "plane")}, "join keys"),
        ({"feature_refs": ("carrier_stats:flights", "calendar:hour")}, "reads 'mean_delay'"),
    ],
)
def test_a_release_that_does_not_fit_is_refused(project: Project, change: dict[str, Any], said: str) -> None:
    """A release whose project, features or keys are not this repository's is refused, with what differs."""
    name = "odd" + "".join(filter(str.isalpha, said))
    published = project.registry.publish_release(replace(project.spec, name=name, **change))
    repository = FeastRepository(project.repo, FixedClock(NOW))
    with pytest.raises(LikewiseError, match=said):
        RegistryReleases(project.registry, repository).load(name, published.version)


def test_a_feature_more_in_the_service_changes_nothing(project: Project) -> None:
    """A release reads exactly the features that it pinned, also when its service has more by now."""
    fewer = tuple(ref for ref in project.spec.feature_refs if ref != "calendar:full")
    published = project.registry.publish_release(replace(project.spec, name="fewer", feature_refs=fewer))
    repository = FeastRepository(project.repo, FixedClock(NOW))
    loaded = RegistryReleases(project.registry, repository).load("fewer", published.version)
    assert loaded.reader.plan.references == fewer


def test_serving_on_litert_loads_no_tensorflow(project: Project) -> None:
    """A server whose model runs on LiteRT never imports TensorFlow, Keras or duckdb's pandas extras for training."""
    code = (
        "import sys\n"
        "from likewise.serving.open_parts import open_parts\n"
        "from likewise.serving.settings import ServingSettings\n"
        f"s = ServingSettings(repo=__import__('pathlib').Path({str(project.repo)!r}), registry={project.url!r},"
        " releases=('small@prod',))\n"
        "r = open_parts(s).releases.load('small', 1)\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
