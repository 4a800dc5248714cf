import asyncio
from typing import Any

import pytest

from likewise.serving.app import build_app
from likewise.serving.settings import Limits, ServingSettings, Tokens
from tests.serving.client import Client, serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World

ONE = {
    "entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]},
    "request": {"distance": [100.5]},
}
FOUR = {
    "entities": {"carrier": ["UA", "XX", "DL", None], "origin": ["JFK"] * 4, "dest": ["SFO"] * 4},
    "request": {"distance": [1, None, 3, 4]},
}
FEATURES = {
    "feature_service": "flight_delay_v1",
    "entities": {**FOUR["entities"], "distance": [1, 2, 3, 4]},
}
PUSH = {"push_source_name": "stats", "df": {"carrier": ["UA"], "mean_delay": [1.0]}}


def changed(body: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {**body, **members}


def test_a_prediction_names_the_release_that_made_it(client: Client) -> None:
    """Every prediction says, in its body and its headers, which release and which transform made it."""
    answer = client.post("/v1/predict/flight_delay", json=ONE)
    assert answer.status_code == 200
    body = answer.json()
    assert body["predictions"] == [1000 + 4.5 + 0.25 + 100.5]
    assert body["release"] == answer.headers["x-likewise-release"] == "flight_delay:1"
    assert body["transform"] == answer.headers["x-likewise-transform"]
    assert body["statuses"] == {"carrier_stats": ["PRESENT"], "route_stats": ["PRESENT"]}
    assert body["nulls"] == {}


def test_unknown_and_old_entities_are_answered_by_the_transforms_policy(client: Client) -> None:
    """An entity that is unknown, too old or null is predicted with its values missing, and its status says which."""
    body = client.post("/v1/predict/flight_delay", json=FOUR).json()
    assert body["statuses"]["carrier_stats"] == ["PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE", "NOT_FOUND"]
    assert body["predictions"] == [1005.75, 1000.25, 1003.25, 1004.25]


def test_a_null_in_a_present_row_is_listed(client: Client) -> None:
    """A value that is null although its row is present is named with its row."""
    body = client.post(
        "/v1/predict/flight_delay", json=changed(ONE, entities=ONE["entities"] | {"carrier": ["OO"]})
    ).json()
    assert body["nulls"] == {"mean_delay": [0]}


def test_explain_gives_raw_and_transformed_values(client: Client) -> None:
    """`?explain=inputs` gives every raw value with status and event time, and every model input with its name."""
    inputs = client.post("/v1/predict/flight_delay?explain=inputs", json=FOUR).json()["inputs"]
    assert inputs["features"]["mean_delay"]["statuses"] == ["PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE", "NOT_FOUND"]
    assert inputs["features"]["mean_delay"]["values"] == [4.5, None, None, None]
    assert inputs["features"]["mean_delay"]["event_timestamps"][0] == "2013-11-05T11:00:00Z"
    assert inputs["request"]["distance"] == [1, None, 3, 4]
    assert inputs["tensors"]["dense"][0] == [4.5, 0.25, 1.0]
    assert inputs["columns"] == {"dense": ["a", "b", "c"]}


def test_vectors_are_the_models_inputs(client: Client) -> None:
    """`/v1/vectors` gives the tensors that the model would get."""
    body = client.post("/v1/vectors/flight_delay:1", json=ONE).json()
    assert body["outputs"] == {"dense": [[4.5, 0.25, 100.5]]}


def test_no_rows_give_no_predictions(client: Client) -> None:
    """An empty batch is answered with an empty list."""
    empty = {"entities": {"carrier": [], "origin": [], "dest": []}, "request": {"distance": []}}
    assert client.post("/v1/predict/flight_delay", json=empty).json()["predictions"] == []


def test_the_contract_is_enough_to_call_it(client: Client) -> None:
    """The example of a contract is a body that its release answers."""
    contract = client.get("/v1/predict/flight_delay/contract").json()
    assert client.post("/v1/predict/flight_delay", json=contract["example"]).status_code == 200
    assert contract["request_schema"]["required"] == ["entities", "request"]
    assert "/v1/predict/flight_delay:1" in contract["curl"]


def test_feasts_answer_has_feasts_fields(client: Client) -> None:
    """`/get-online-features` answers column by column, join keys first, with truthful statuses."""
    answer = client.post("/get-online-features", json=FEATURES).json()
    assert answer["metadata"] == {
        "feature_names": ["carrier", "origin", "dest", "mean_delay", "flights", "airline", "late_share"]
    }
    by_name = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
    assert by_name["carrier"]["values"] == ["UA", "XX", "DL", None]
    assert by_name["flights"] == {
        "values": [120, None, None, None],
        "statuses": ["PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE", "NOT_FOUND"],
        "event_timestamps": [
            "2013-11-05T11:00:00Z",
            "1970-01-01T00:00:00Z",
            "2013-11-02T12:00:00Z",
            "1970-01-01T00:00:00Z",
        ],
    }
    assert all(isinstance(value, int) for value in by_name["flights"]["values"][:1])


def test_feasts_references_full_names_and_metadata(client: Client) -> None:
    """A list of references keeps its order; full names and view versions come when asked for."""
    body = {
        "features": ["route_stats:late_share", "carrier_stats:flights"],
        "entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"], "ignored": [1]},
        "full_feature_names": True,
        "include_feature_view_version_metadata": True,
    }
    metadata = client.post("/get-online-features", json=body).json()["metadata"]
    assert metadata["feature_names"][3:] == ["route_stats__late_share", "carrier_stats__flights"]
    assert metadata["feature_view_metadata"] == [{"name": "route_stats", "version": 2}, {"name": "carrier_stats"}]


def test_writes_reach_the_writer(client: Client, world: World) -> None:
    """`/push` and `/write-to-online-store` hand their rows on and answer as Feast does."""
    pushed = client.post("/push", json=PUSH)
    assert (pushed.status_code, pushed.content) == (200, b"")
    assert world.writer.pushed == [("stats", PUSH["df"], "online")]
    written = client.post("/write-to-online-store", json={"feature_view_name": "carrier_stats", "df": PUSH["df"]})
    assert (written.status_code, written.json()) == (200, None)
    assert world.writer.written == [("carrier_stats", PUSH["df"])]


@pytest.mark.parametrize("path", ["", "/versions/1", "/labels/prod"])
def test_tf_serving_clients_are_answered(client: Client, path: str) -> None:
    """TF Serving's row and column forms, status and metadata work by name, by version and by label."""
    row = {"carrier": "UA", "origin": "JFK", "dest": "SFO", "distance": 100.5}
    base = f"/v1/models/flight_delay{path}"
    assert client.post(f"{base}:predict", json={"instances": [row, row]}).json() == {"predictions": [1105.25] * 2}
    columns = {name: [value] for name, value in row.items()}
    assert client.post(f"{base}:predict", json={"inputs": columns}).json() == {"outputs": [1105.25]}
    assert client.get(base).json()["model_version_status"][0]["state"] == "AVAILABLE"
    signature = client.get(f"{base}/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert set(signature["serving_default"]["inputs"]) == set(row)


def test_tf_serving_errors_have_their_shape(client: Client) -> None:
    """On TF Serving's paths an error is an object with one text."""
    answer = client.post("/v1/models/flight_dely:predict", json={"instances": []})
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_the_registry_is_shown(client: Client) -> None:
    """Releases, transforms and aliases with their log can be read over HTTP."""
    assert client.get("/v1/registry/releases").json()["releases"][0]["version"] == 1
    assert client.get("/v1/registry/releases/flight_delay:1").json()["name"] == "flight_delay"
    assert client.get("/v1/registry/transforms?name=x").json()["transforms"][0]["name"] == "x"
    assert client.get("/v1/registry/aliases/flight_delay").json()["log"][0]["why"] == "better"


def test_health_tells_live_from_ready(client: Client, world: World) -> None:
    """A worker without its store is alive but not ready."""
    assert client.get("/health").status_code == client.get("/health/ready").status_code == 200
    world.store.is_down = True
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["online_store"]) == (503, "does not answer")


def test_metrics_count_what_is_missing(client: Client) -> None:
    """Prometheus sees answers, rows by status, and what met the transform's policies."""
    client.post("/v1/predict/flight_delay", json=FOUR)
    text = client.get("/metrics").text
    assert 'likewise_requests_total{route="/v1/predict/{release}",status="200"} 1.0' in text
    assert 'likewise_row_statuses_total{status="OUTSIDE_MAX_AGE",view="carrier_stats"} 1.0' in text
    assert 'likewise_values_total{column="mean_delay",event="missing",release="flight_delay:1"} 3.0' in text
    assert 'likewise_request_seconds_bucket{le="0.0001"' in text


def test_openapi_lists_every_surface(client: Client) -> None:
    """The OpenAPI document names every path."""
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/get-online-features", "/v1/predict/{release}", "/v1/models/{name}:predict", "/metrics"} <= set(paths)
    body = paths["/v1/predict/{release}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"entities", "request"}
    assert "422" in paths["/push"]["post"]["responses"]


PREDICT, READ = "/v1/predict/flight_delay", "/get-online-features"
WRONG = [
    (PREDICT, b"{", 400, "not-json"),
    (PREDICT, b"", 400, "not-json"),
    (PREDICT, [1], 422, "wrong-shape"),
    (PREDICT, {"entities": {}}, 422, "missing-key"),
    (PREDICT, {"entities": []}, 422, "wrong-shape"),
    (PREDICT, changed(ONE, request={}), 422, "missing-key"),
    (PREDICT, changed(ONE, request={"distanse": [1]}), 422, "unknown-field"),
    (PREDICT, changed(ONE, request={"distance": [1], "more": [1]}), 422, "unknown-field"),
    (PREDICT, changed(ONE, request={"distance": 1}), 422, "wrong-shape"),
    (PREDICT, changed(ONE, request={"distance": [1, 2]}), 422, "wrong-shape"),
    (PREDICT, changed(ONE, request={"distance": ["far"]}), 422, "column-type"),
    (PREDICT, changed(ONE, request={"distance": [True]}), 422, "column-type"),
    (PREDICT, changed(ONE, entities=ONE["entities"] | {"carrier": [7]}), 422, "wrong-type"),
    (PREDICT, changed(ONE, request={"distance": [1], "carrier": ["UA"]}), 422, "wrong-shape"),
    (PREDICT, changed(ONE, more=1), 422, "wrong-shape"),
    (PREDICT + "?explain=all", ONE, 422, "wrong-shape"),
    ("/v1/predict/flight_dely", ONE, 404, "unknown-release"),
    ("/v1/predict/flight_delay:9", ONE, 404, "unknown-release"),
    ("/v1/vectors/none", ONE, 404, "unknown-release"),
    (READ, {"entities": {}}, 422, "wrong-shape"),
    (READ, changed(FEATURES, feature_service="flight_delay_v2"), 404, "unknown-feature-service"),
    (READ, changed(FEATURES, feature_service=7), 422, "wrong-shape"),
    (READ, {"features": ["carrier_stats:none"], "entities": {"carrier": ["UA"]}}, 404, "unknown-feature"),
    (READ, {"features": [1], "entities": {"carrier": ["UA"]}}, 422, "wrong-shape"),
    (READ, changed(FEATURES, entities={"carrier": ["UA"]}), 422, "missing-key"),
    (READ, changed(FEATURES, full_feature_names="yes"), 422, "wrong-shape"),
    ("/push", changed(PUSH, to="nowhere"), 422, "wrong-shape"),
    ("/push", changed(PUSH, df={"a": [1], "b": []}), 422, "wrong-shape"),
    ("/push", {"df": {"a": [1]}}, 422, "wrong-shape"),
    ("/write-to-online-store", {"feature_view_name": "x", "df": {}}, 422, "wrong-shape"),
]


@pytest.mark.parametrize(("path", "body", "status", "problem"), WRONG)
def test_a_wrong_request_says_what_to_do(client: Client, path: str, body: Any, status: int, problem: str) -> None:
    """Bad input is a 4xx problem document that says what was expected and what was got, never a 500."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = client.post(path, **content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"urn:likewise:problem:{problem}"
    assert document["status"] == status
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] in document["instance"]


def test_close_names_are_suggested(client: Client) -> None:
    """A misspelled release, service or field is answered with the name that was probably meant."""
    assert "did you mean 'flight_delay'" in client.post("/v1/predict/flight_dely", json=ONE).json()["advice"]
    misspelled = changed(FEATURES, feature_service="flight_delay_v2")
    assert "flight_delay_v1" in client.post(READ, json=misspelled).json()["advice"]
    misspelled = changed(ONE, request={"distanse": [1]})
    assert "did you mean 'distance'" in client.post(PREDICT, json=misspelled).json()["advice"]


def test_an_unknown_path_is_a_problem_too(client: Client) -> None:
    """A path or method that is not served is answered with a problem document."""
    assert client.get("/nope").status_code == 404
    assert client.get(PREDICT).status_code == 405
    assert client.get("/nope").headers["content-type"] == "application/problem+json"


def test_a_fault_of_ours_shows_no_traceback(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is a 500 with the request's id; the cause is in the log only."""

    def explode(*_: Any) -> None:
        raise RuntimeError("secret cause")

    world.writer.push = explode  # type: ignore[method-assign]
    with serving(build_app(SETTINGS, world.parts())) as client:
        answer = client.post("/push", json=PUSH, headers={"x-request-id": "mine"})
    assert answer.status_code == 500
    assert "secret cause" not in answer.text
    assert "mine" in answer.text
    assert "secret cause" in caplog.text


def test_limits_hold(world: World) -> None:
    """A body or batch over the limit is refused with 413 before work is done."""
    limits = Limits(body_bytes=200, rows=2)
    with serving(build_app(ServingSettings(releases=("flight_delay@prod",), limits=limits), world.parts())) as client:
        assert client.post(PREDICT, json=ONE).status_code == 200
        big = client.post(PREDICT, content=b'{"entities":' + b" " * 500 + b"{}}")
        assert (big.status_code, big.json()["type"]) == (413, "urn:likewise:problem:body-too-large")
        many = client.post(READ, json={"features": ["carrier_stats:flights"], "entities": {"carrier": ["UA"] * 3}})
        assert (many.status_code, many.json()["type"]) == (413, "urn:likewise:problem:too-many-rows")


def test_a_store_that_is_down_is_503_and_recovers(client: Client, world: World) -> None:
    """While the store is down every read is 503 with Retry-After; when it is back, answers come without a restart."""
    world.store.is_down = True
    for _ in range(10):
        answer = client.post(PREDICT, json=ONE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    world.store.is_down = False
    for _ in range(100):
        if (answer := client.post(PREDICT, json=ONE)).status_code == 200:
            break
        client.portal.call(asyncio.sleep, 0.02)
    assert answer.status_code == 200


def test_defaults_are_answered_when_chosen(world: World) -> None:
    """With `on_trouble=defaults` a store that is down gives predictions with every stored value missing."""
    settings = ServingSettings(releases=("flight_delay@prod",), on_trouble="defaults")
    with serving(build_app(settings, world.parts())) as client:
        world.store.is_down = True
        body = client.post(PREDICT, json=ONE).json()
    assert body["predictions"] == [1100.5]
    assert body["statuses"] == {"carrier_stats": ["NOT_FOUND"], "route_stats": ["NOT_FOUND"]}


def test_no_answer_comes_after_its_deadline(world: World) -> None:
    """A store slower than the deadline gives 504, or defaults where those are chosen."""
    world.store.delay_seconds = 5.0
    settings = ServingSettings(releases=("flight_delay@prod",), limits=Limits(deadline_ms=20))
    with serving(build_app(settings, world.parts())) as client:
        assert client.post(PREDICT, json=ONE).status_code == 504


def test_slow_code_of_a_view_is_not_waited_for(world: World) -> None:
    """Work on a thread that outlasts the deadline is answered 504 too, and the server goes on."""
    limits = Limits(deadline_ms=50, rows=50_000)
    with serving(build_app(ServingSettings(releases=("flight_delay@prod",), limits=limits), world.parts())) as client:
        release = world.source.loaded[-1]
        release.transform.delay_seconds = 0.3
        many = 15_000  # too many values for the event loop
        body = {"entities": {name: values * many for name, values in ONE["entities"].items()}}
        body["request"] = {"distance": [1] * many}
        assert client.post(PREDICT, json=body).status_code == 504
        release.transform.delay_seconds = 0.0
        assert client.post(PREDICT, json=ONE).status_code == 200


def test_stale_values_can_be_refused(world: World) -> None:
    """With `on_stale=refuse` a row older than its TTL refuses the request and names the view."""
    world.source.refuse_stale = True
    with serving(build_app(SETTINGS, world.parts())) as client:
        answer = client.post(PREDICT, json=FOUR)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:likewise:problem:stale-features")
        assert client.post(PREDICT, json=ONE).status_code == 200


def test_writes_need_a_token_beyond_loopback(world: World) -> None:
    """Beyond loopback, writing takes a write token, even when none is set; reading does not."""
    open_server = ServingSettings(releases=("flight_delay@prod",), host="0.0.0.0")
    with serving(build_app(open_server, world.parts())) as client:
        refused = client.post("/push", json=PUSH)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post(PREDICT, json=ONE).status_code == 200
    tokens = Tokens(write=("old", "new"), read=("look",))
    guarded = ServingSettings(releases=("flight_delay@prod",), host="0.0.0.0", tokens=tokens)
    with serving(build_app(guarded, world.parts())) as client:
        bearer = {token: {"authorization": f"Bearer {token}"} for token in ("old", "new", "look", "wrong")}
        assert client.post("/push", json=PUSH, headers=bearer["old"]).status_code == 200
        assert client.post("/push", json=PUSH, headers=bearer["new"]).status_code == 200
        assert client.post("/push", json=PUSH, headers=bearer["look"]).status_code == 403
        assert client.post("/push", json=PUSH, headers=bearer["wrong"]).status_code == 401
        assert client.post(PREDICT, json=ONE).status_code == 401
        assert client.post(PREDICT, json=ONE, headers=bearer["look"]).status_code == 200
        assert client.get("/health/live").status_code == 200


def test_another_sites_page_can_not_write_on_loopback(client: Client) -> None:
    """A page of another site in a browser on the same machine can't push features."""
    assert client.post("/push", json=PUSH, headers={"origin": "https://evil.example"}).status_code == 401
    assert client.post("/push", json=PUSH, headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


def test_the_end_closes_what_was_opened(world: World) -> None:
    """When the worker ends, its connections are closed."""
    with serving(build_app(SETTINGS, world.parts())):
        assert not world.closed.is_set()
    assert world.closed.is_set()
