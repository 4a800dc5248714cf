"""The main job on real flights with real Redis: features, history, fit, train, gate, publish, serve, predict."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from likewise.cli.registry_access import open_registry
from likewise.cli.server_process import RunningServer, serving
from likewise.cli.settings import load_settings
from likewise.models import load_predictor
from likewise.stores import embedded
from likewise.transforms import FittedTransform
from tests.end_to_end.conftest import CLOCK, Project

pytestmark = [
    pytest.mark.slow,
    # TensorFlow and Keras on numpy 2.4; neither is ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning:feast"),
]


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[RunningServer]:
    with serving(["--release", "flight_delay@prod"], project.home / "logs" / "serve.log") as running:
        yield running


def post(server: RunningServer, path: str, body: object) -> tuple[int, dict[str, Any], dict[str, str]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", content)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), dict(error.headers)


def flights(project: Project, count: int) -> list[dict[str, Any]]:
    """Return the last entity rows of the slice, with keys and request data."""
    release = open_registry(load_settings()).release("release:flight_delay@prod")
    wanted = [*release.join_keys, *release.request_fields]
    rows = pq.read_table(project.repo / "data" / "labels" / "flights.parquet", columns=wanted)
    return list(rows.slice(rows.num_rows - count).to_pylist())


def body(project: Project, rows: list[dict[str, Any]]) -> dict[str, Any]:
    release = open_registry(load_settings()).release("release:flight_delay@prod")
    return {
        "entities": {name: [row[name] for row in rows] for name in release.join_keys},
        "request": {name: [row[name] for row in rows] for name in release.request_fields},
    }


def test_a_batch_and_its_rows_get_the_same_predictions_over_http(project: Project, server: RunningServer) -> None:
    """One request of 40 rows and 40 requests of one row agree to the last bit and name the same release."""
    rows = flights(project, 40)
    status, answer, headers = post(server, "/v1/predict/flight_delay@prod", body(project, rows))
    assert status == 200
    singles = [post(server, "/v1/predict/flight_delay@prod", body(project, [row]))[1] for row in rows]
    assert answer["predictions"] == [one["predictions"][0] for one in singles]
    assert headers["x-likewise-release"] == answer["release"] == "flight_delay:1"
    assert headers["x-likewise-transform"] == answer["transform"]


def test_served_inputs_are_what_the_artifact_makes_of_the_raw_features(project: Project, server: RunningServer) -> None:
    """`?explain=inputs` shows raw values and tensors; the published artifact and model reproduce the answer."""
    rows = flights(project, 20)
    _, answer, _ = post(server, "/v1/predict/flight_delay@prod?explain=inputs", body(project, rows))
    settings = load_settings()
    registry = open_registry(settings)
    release = registry.release("release:flight_delay@prod")
    fitted = FittedTransform.from_bytes(registry.load(f"transform:{release.transform}").to_bytes())
    shown = answer["inputs"]
    raw = {**shown["request"], **{name: found["values"] for name, found in shown["features"].items()}}
    tensors = fitted.apply_rows([{name: values[i] for name, values in raw.items()} for i in range(len(rows))])
    for name, tensor in tensors.items():
        # JSON carries the shortest text of each float32, which reads back as the same bits.
        np.testing.assert_array_equal(np.asarray(shown["tensors"][name], tensor.dtype), tensor)
    predictions = load_predictor(registry.get_model(release.nodes[0].artifact)).predict(tensors)
    np.testing.assert_array_equal(np.asarray(answer["predictions"], np.float32), predictions)


def test_parity_holds_and_all_five_faults_are_found(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Raw features, tensors and predictions of serving equal history's at instants of the held-out days."""
    status = project.likewise("parity", str(project.recipe), "--instants", "4")
    told = json.loads((project.home / "parity" / "parity.json").read_text("utf-8"))
    assert told["passed"], told
    assert status == 0
    assert told["totals"]["rows"] >= 200
    assert told["totals"]["stale"] > 0  # the check looks at instants where cadence matters
    assert told["totals"]["unexplained"] == told["totals"]["differing_elements"] == 0
    assert [fault["found"] for fault in told["faults"]] == [True] * 5


def test_running_again_takes_everything_over(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run makes no new version and says what it took over."""
    assert project.likewise("run", str(project.recipe)) == 0
    printed = capsys.readouterr().out
    assert "taken over" in printed
    assert [one.version for one in open_registry(load_settings()).releases("flight_delay")] == [1]


def test_running_anew_gives_the_same_release(project: Project) -> None:
    """Without the record of the first run everything is made again, and it is the same to the last bit."""
    (project.home / "runs" / "flight_delay" / "run.json").unlink()
    assert project.likewise("run", str(project.recipe)) == 0
    assert [one.version for one in open_registry(load_settings()).releases("flight_delay")] == [1]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (lambda sent: sent["entities"].pop("carrier"), 422, "carrier"),
        (lambda sent: sent["entities"].update(carrier=[7]), 422, "text"),
        (lambda sent: sent["request"].update(dep_hour=["noon"]), 422, "dep_hour"),
        (lambda sent: sent["entities"].update(carrier=["UA", "AA"]), 422, "values"),
    ],
)
def test_bad_requests_are_told_what_to_do(
    project: Project, server: RunningServer, change: Any, status: int, said: str
) -> None:
    """A missing key, a wrong type and a wrong length are named; nothing is a 500."""
    sent = body(project, flights(project, 1))
    change(sent)
    got, answer, _ = post(server, "/v1/predict/flight_delay@prod", sent)
    assert got == status
    assert said in json.dumps(answer)


def test_an_unknown_entity_is_served_by_the_missing_policy_and_says_so(project: Project, server: RunningServer) -> None:
    """A carrier that nobody has heard of gets a prediction from defaults, and the status NOT_FOUND."""
    sent = body(project, flights(project, 1))
    sent["entities"]["carrier"] = ["ZZ"]
    status, answer, _ = post(server, "/v1/predict/flight_delay@prod", sent)
    assert status == 200
    assert 0.0 < answer["predictions"][0] < 1.0
    assert "NOT_FOUND" in json.dumps(answer["statuses"])


def test_an_unknown_release_and_service_are_404_with_close_names(project: Project, server: RunningServer) -> None:
    """A misspelled name is answered by the name that exists."""
    status, answer, _ = post(server, "/v1/predict/flight_dely", body(project, flights(project, 1)))
    assert status == 404
    assert "flight_delay" in json.dumps(answer)
    asked = {"feature_service": "flight_delay_v9", "entities": {"carrier": ["UA"]}}
    status, answer, _ = post(server, "/get-online-features", asked)
    assert status == 404
    assert "flight_delay_v1" in json.dumps(answer)


def test_a_stopped_redis_is_a_503_and_its_return_is_noticed(project: Project, server: RunningServer) -> None:
    """Without Redis the answer is 503 with Retry-After; when it is back, the same server answers again."""
    sent = body(project, flights(project, 1))
    embedded.stop(project.home / "redis")
    status, answer, headers = post(server, "/v1/predict/flight_delay@prod", sent)
    assert status == 503
    assert "retry-after" in headers
    assert "redis" in json.dumps(answer).lower()
    embedded.attach(project.home / "redis")
    for _ in range(50):
        status, _, _ = post(server, "/v1/predict/flight_delay@prod", sent)
        if status == 200:
            break
    assert status == 200


def test_a_corrupt_artifact_is_refused_by_name(project: Project, tmp_path: Path, capsys: Any) -> None:
    """A damaged file is no transform: exit 2 and a message, no traceback."""
    registry = open_registry(load_settings())
    release = registry.release("release:flight_delay@prod")
    content = bytearray(registry.load(f"transform:{release.transform}").to_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(bytes(content))
    assert project.likewise("show", str(damaged)) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert "error:" in printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "release:flight_dely:1"], "flight_delay"),
        (["alias", "flight_delay", "prod", "9", "--why", "a test"], "9"),
        (["run", "recipes/none.py"], "no such file"),
        (["serve", "--release", "nothing@prod"], "nothing"),
    ],
)
def test_bad_arguments_exit_with_2_and_a_message(
    project: Project, arguments: list[str], said: str, capsys: Any
) -> None:
    """What can't be used is named with what was expected; nobody sees a traceback."""
    assert project.likewise(*arguments) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed


def test_the_clock_is_a_setting_that_must_have_a_zone(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """An instant without its zone is refused: it would mean another time on another machine."""
    monkeypatch.setenv("LIKEWISE_CLOCK", CLOCK[:19])
    assert project.likewise("materialize") == 2
    assert "LIKEWISE_CLOCK" in capsys.readouterr().err


def test_the_server_ends_gracefully(project: Project) -> None:
    """SIGTERM ends the server by itself, without being killed."""
    with serving(["--release", "flight_delay@prod"], project.home / "logs" / "again.log") as running:
        assert post(running, "/v1/predict/flight_delay@prod", body(project, flights(project, 1)))[0] == 200
    assert running.process.returncode == 0  # a kill would be negative
    assert "Traceback" not in running.log.read_text("utf-8")
