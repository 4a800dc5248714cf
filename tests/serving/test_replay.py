"""Replaying logged answers of a real repository: on-demand code, transform and model, with a fault planted in each."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from likewise.serving.app import build_app
from likewise.serving.batch_scoring import score_file
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import RequestNotLoggedError
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.on_demand import OnDemandView
from likewise.serving.open_parts import open_parts
from likewise.serving.registry_releases import RegistryReleases
from likewise.serving.replay import Replayed, replay
from likewise.serving.request_log import RequestLog, log_files
from likewise.stores.clock import FixedClock
from tests.serving.client import serving
from tests.serving.fakes import NOW, FakePredictor
from tests.serving.real_project import ROWS, Project, project_in
from tests.serving.real_repository import RATIO
from tests.serving.test_request_log import Nudged

pytestmark = pytest.mark.slow
BODY = {
    "entities": {"carrier": ["UA", "OO", "DL", "ZZ", None]},
    "request": {"distance": [100.0, None, 7.5, -0.0, 3e300], "departs": ["2013-11-05T23:30:00Z", 5, 1.5, 0, None]},
}
CALENDAR = {**BODY, "request": {"distance": BODY["request"]["distance"], "departs": ["2013-11-05T23:30:00Z"] * 5}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_in(tmp_path_factory.mktemp("project")) as project:
        yield project


@pytest.fixture(scope="module")
def log(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Serve some requests with a log; return it with their ids."""
    folder = tmp_path_factory.mktemp("log")
    settings = project.settings(request_log=folder)
    with serving(build_app(settings, open_parts(settings))) as client:
        answers = [client.post("/v1/predict/small", json=CALENDAR) for _ in range(3)]
        answers.append(client.post("/v1/vectors/small", json=CALENDAR))
    assert [answer.status_code for answer in answers] == [200] * 4, answers[0].text
    return folder, [answer.headers["x-request-id"] for answer in answers]


def load(project: Project) -> LoadedRelease:
    repository = FeastRepository(project.repo, FixedClock(NOW))
    return RegistryReleases(project.registry, repository).load("small", 1)


def test_what_was_answered_comes_out_again(project: Project, log: tuple[Path, list[str]]) -> None:
    """On-demand code, transform and model give what was answered, nulls and strangers included."""
    release = load(project)
    for request_id in log[1]:
        found = replay(log[0], request_id, lambda *_: release)
        assert (found.stage, found.differs, found.moved) == ("none", (), ())
        assert found.logged is not None
        assert len(found.logged) == 5


def test_a_file_is_scored_as_requests_are_answered(project: Project, tmp_path: Path) -> None:
    """A row scored from a file has the bits of the prediction that HTTP gives for it, whatever the batches."""
    times = pa.array([NOW] * 5, pa.timestamp("us", tz="UTC"))
    columns = {"carrier": BODY["entities"]["carrier"], "distance": BODY["request"]["distance"], "departs": times}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    body = {**BODY, "request": {**BODY["request"], "departs": [NOW.isoformat()] * 5}}
    with serving(build_app(project.settings(), open_parts(project.settings()))) as client:
        said = np.array(client.post("/v1/predict/small", json=body).json()["predictions"], np.float32)
    for batch_rows in (1, 2, 100):
        scored = score_file(load(project), tmp_path / "in.parquet", tmp_path / "out.parquet", None, batch_rows)
        found = pq.read_table(scored.path).column("prediction").to_numpy()
        assert np.array_equal(found, said, equal_nan=True)


def planted(log: tuple[Path, list[str]], release: LoadedRelease) -> Replayed:
    return replay(log[0], log[1][0], lambda *_: release)


def test_each_stage_is_named(project: Project, log: tuple[Path, list[str]]) -> None:
    """A fault planted in on-demand code, transform or model is named as that stage, and what differs is told."""
    release = load(project)

    def with_view(name: str, change: Any) -> LoadedRelease:
        views = [_changed(view, change) if view.plan.name == name else view for view in release.reader.on_demand]
        return replace(release, reader=replace(release.reader, on_demand=tuple(views)))

    def one_bit(outputs: Any) -> Any:
        values = list(outputs["delay_per_mile"])
        values[0] = np.nextafter(values[0], 1.0)
        return {"delay_per_mile": values}

    found = planted(log, with_view("ratio", one_bit))
    assert found.stage == "on-demand code"
    assert found.differs[0].startswith("delay_per_mile of row 0: logged 0.045")

    def fail(_: Any) -> Any:
        raise ZeroDivisionError("planted")

    found = planted(log, with_view("calendar", fail))
    assert (found.stage, "planted" in found.differs[0]) == ("on-demand code", True)
    assert planted(log, replace(release, transform=Nudged(release.transform, "numbers"))).stage == "transform"
    found = planted(log, replace(release, predictor=_Constant()))
    assert found.stage == "model"
    assert found.differs[0].startswith("prediction of row 0: logged 1.0, computed 0.25")
    other = replace(release.identity, digest="sha256:other")
    assert planted(log, replace(release, identity=other)).stage == "release"


def test_what_a_transform_saw_is_logged_also_where_it_is_not_as_declared(project: Project, tmp_path: Path) -> None:
    """On-demand code that gives fractions for an integer feature is logged as the transform saw it, and replays.

    Integers beyond 2**53 of other requests stay exact.
    """
    hours: list[Any] = [[22.5, 23, 21], [2**60 + 1, 22, 23]]

    def release(hour: list[Any]) -> LoadedRelease:
        found = load(project)
        views = [
            _changed(view, lambda frame: frame.assign(hour=hour)) if view.plan.name == "calendar" else view
            for view in found.reader.on_demand
        ]
        return replace(found, reader=replace(found.reader, on_demand=tuple(views)))

    log, releases = RequestLog(tmp_path, 1.0, 10**9, lambda _: None), [release(hour) for hour in hours]
    shared = releases[0]
    for at, one in enumerate(releases):
        rows = check_rows(one.reader.plan, ROWS, RowRules("request", 10, ignore_unknown=False))
        log.offer(str(at), shared, one.predict(rows))
    log.close(30)
    for at, one in enumerate(releases):
        found = replay(tmp_path, str(at), lambda *_, one=one: one)
        assert (found.stage, found.differs) == ("none", ())
    kept = [pq.read_table(path).column("value__hour").to_pylist() for path in log_files(tmp_path)]
    assert sorted(kept) == sorted(hours)
    whole = replay(tmp_path, "0", lambda *_: releases[1])
    assert (whole.stage, whole.differs[0]) == (
        "on-demand code",
        "hour of row 0: logged 22.5, computed 1.152921504606847e+18",
    )


def test_a_request_that_was_not_logged_is_told_plainly(tmp_path: Path) -> None:
    """An id that the log does not hold is a sentence that names the id, the folder and what may be the reason."""

    def load(name: str, version: int) -> LoadedRelease:
        raise AssertionError(f"{name}:{version}")

    with pytest.raises(RequestNotLoggedError) as told:
        replay(tmp_path, "65664bf3", load)
    assert str(told.value) == (
        f"no request '65664bf3' is in the request log {tmp_path}. Take the id from the answer's `X-Request-Id`; an "
        "answer is in the log after some 5 s, and only if it was sampled (`--request-log-share`)."
    )


def test_a_log_that_was_changed_is_named(project: Project, log: tuple[Path, list[str]], tmp_path: Path) -> None:
    """One raw value changed in the log, by a bit, is the first stage that differs, also one that only code reads."""
    release = load(project)
    (path,) = log_files(log[0])
    table = pq.read_table(path)
    for name in ("value__mean_delay", "value__distance"):
        values = table.column(name).to_pylist()
        values[0] = float(np.nextafter(values[0], np.inf))
        changed = table.set_column(table.column_names.index(name), name, pa.array(values, pa.float64()))
        place = tmp_path / name / "small" / "1"
        place.mkdir(parents=True)
        pq.write_table(changed, place / path.name)
        assert replay(tmp_path / name, log[1][0], lambda *_: release).stage == "raw values"
        assert replay(tmp_path / name, log[1][1], lambda *_: release).stage == "none"


def test_an_id_that_was_used_again_replays_the_latest(project: Project, tmp_path: Path) -> None:
    """Requests that carry one id are kept apart; the latest is replayed, and their number is told."""
    settings = project.settings(request_log=tmp_path)
    with serving(build_app(settings, open_parts(settings))) as client:
        for carrier in ("UA", "OO", "ZZ"):
            body = {"entities": {"carrier": [carrier]}, "request": {"distance": [1.0], "departs": ["2013-11-05"]}}
            client.post("/v1/predict/small", json=body, headers={"x-request-id": "same"})
    found = replay(tmp_path, "same", lambda *_: load(project))
    assert (found.stage, found.requests) == ("none", 3)
    assert found.logged is not None
    assert len(found.logged) == 1


def test_code_that_was_applied_since_is_found(tmp_path: Path) -> None:
    """When another on-demand view was applied after the answer, replay says what moved and where it differs."""
    with project_in(tmp_path) as project:
        settings = project.settings(request_log=tmp_path / "log")
        with serving(build_app(settings, open_parts(settings))) as client:
            request_id = client.post("/v1/predict/small", json=CALENDAR).headers["x-request-id"]
        _apply_other_ratio(tmp_path)
        found = replay(tmp_path / "log", request_id, lambda *_: load(project))
        assert found.stage == "on-demand code"
        assert found.moved == ("on_demand:ratio",)
        assert found.differs[0].startswith("delay_per_mile of row 0: logged 0.045, computed 0.09")


def _apply_other_ratio(folder: Path) -> None:
    source = RATIO.replace("d / m", "2 * d / m")
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast's own
        store = FeatureStore(repo_path=os.fspath(folder))
        view = store.get_on_demand_feature_view("ratio")
        view.feature_transformation.udf = namespace["ratio"]
        view.feature_transformation.udf_string = source
        store.apply([view])


def _changed(view: OnDemandView, change: Any) -> OnDemandView:
    """Return a view whose code gives something else."""
    code = view.code
    other = SimpleNamespace(udf=lambda inputs: change(code.feature_transformation.udf(inputs)))
    return OnDemandView(
        view.plan,
        SimpleNamespace(name=code.name, mode=code.mode, singleton=code.singleton, feature_transformation=other),
    )


class _Constant(FakePredictor):
    """Another model."""

    def predict(self, tensors: Any) -> np.ndarray:
        return np.full(len(tensors["numbers"]), 0.25, np.float32)
