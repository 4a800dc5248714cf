"""Missing, stale and unseen values, a store in trouble and a deadline mean the same on every predicting surface."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from likewise.serving.app import build_app
from likewise.serving.settings import Limits, ServingSettings
from tests.serving.client import Client, serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World
from tests.serving.test_request_log import real_release

# Fresh; a null in it; older than its TTL; unknown; no key at all.
CARRIERS = ["UA", "OO", "DL", "ZZ", None]
COLUMNS: Mapping[str, list[Any]] = {
    "carrier": CARRIERS,
    "origin": ["JFK"] * 5,
    "dest": ["SFO"] * 5,
    "distance": [1.0, None, 2.0, 3.0, 4.0],
}
DATATYPES = {"carrier": "BYTES", "origin": "BYTES", "dest": "BYTES", "distance": "FP64"}


@dataclass(frozen=True, slots=True)
class Surface:
    """How one protocol asks for predictions and gives them."""

    path: str
    body: Callable[[Mapping[str, list[Any]]], Any]
    predictions: Callable[[Any], list[float]]


def own(columns: Mapping[str, list[Any]]) -> Any:
    sent = dict(columns)
    return {"request": {"distance": sent.pop("distance")}, "entities": sent}


def by_rows(columns: Mapping[str, list[Any]]) -> Any:
    return {"instances": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def tensors(columns: Mapping[str, list[Any]]) -> Any:
    inputs = [
        {"name": name, "datatype": DATATYPES[name], "shape": [len(values)], "data": values}
        for name, values in columns.items()
    ]
    return {"inputs": inputs}


SURFACES = {
    "likewise": Surface("/v1/predict/flight_delay", own, lambda answer: answer["predictions"]),
    "tf_serving_rows": Surface("/v1/models/flight_delay:predict", by_rows, lambda answer: answer["predictions"]),
    "tf_serving_columns": Surface(
        "/v1/models/flight_delay/labels/prod:predict", lambda columns: {"inputs": columns}, lambda said: said["outputs"]
    ),
    "open_inference": Surface("/v2/models/flight_delay/infer", tensors, lambda answer: answer["outputs"][0]["data"]),
}


def world_with_a_real_transform() -> World:
    made = World()
    made.source.load = lambda _, version: real_release(version, made.store)  # type: ignore[method-assign]
    return made


def ask(client: Client, name: str) -> Any:
    surface = SURFACES[name]
    return client.post(surface.path, json=surface.body(COLUMNS))


def counted(client: Client) -> dict[str, float]:
    """Return what the metrics say of values, rows and default answers."""
    wanted = ("likewise_values_total", "likewise_row_statuses_total", "likewise_default_answers_total")
    lines = client.get("/metrics").text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted)}


def answered(name: str, settings: ServingSettings = SETTINGS, *, is_down: bool = False) -> tuple[list[float], Any]:
    """Return one surface's predictions by a server of its own, and what it counted."""
    made = world_with_a_real_transform()
    with serving(build_app(settings, made.parts())) as client:
        made.store.is_down = is_down
        answer = ask(client, name)
        assert answer.status_code == 200, answer.text
        return SURFACES[name].predictions(answer.json()), counted(client)


@pytest.mark.parametrize("name", SURFACES)
def test_policies_and_counters_are_the_same_everywhere(name: str) -> None:
    """Missing, stale and unseen values give the same predictions and the same counts whatever the protocol."""
    found, counts = answered(name)
    assert (found, counts) == answered("likewise")
    label = 'likewise_values_total{column="%s",event="%s",release="flight_delay:1"}'
    assert counts[label % ("mean_delay", "missing")] == 4
    assert counts[label % ("distance", "missing")] == 1
    assert counts[label % ("airline", "unseen")] == 1
    assert counts[label % ("airline", "missing")] == 3
    assert counts['likewise_row_statuses_total{status="OUTSIDE_MAX_AGE",view="carrier_stats"}'] == 1
    assert counts['likewise_row_statuses_total{status="NOT_FOUND",view="carrier_stats"}'] == 2


@pytest.mark.parametrize("name", SURFACES)
def test_defaults_are_the_same_everywhere(name: str) -> None:
    """With `on_trouble=defaults` a store that is gone gives the same predictions on every surface, and is counted."""
    settings = replace(SETTINGS, on_trouble="defaults")
    found, counts = answered(name, settings, is_down=True)
    assert (found, counts) == answered("likewise", settings, is_down=True)
    assert counts["likewise_default_answers_total"] == 1
    assert counts['likewise_row_statuses_total{status="NOT_FOUND",view="route_stats"}'] == 5


@pytest.mark.parametrize("name", SURFACES)
def test_trouble_is_told_everywhere(name: str) -> None:
    """A store that is gone is 503 with Retry-After, a late one 504, a stale row 409 where that is chosen."""
    made = world_with_a_real_transform()
    with serving(build_app(replace(SETTINGS, limits=Limits(deadline_ms=20)), made.parts())) as client:
        made.store.is_down = True
        gone = ask(client, name)
        assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
        made.store.is_down, made.store.delay_seconds = False, 0.3
        late = ask(client, name)
        assert (late.status_code, late.headers["retry-after"]) == (504, "1")
        for answer in (gone, late):
            document = answer.json()
            assert "try again" in (document.get("error") or document["detail"]).lower()
    refusing = World()
    refusing.source.refuse_stale = True
    with serving(build_app(SETTINGS, refusing.parts())) as client:
        stale = ask(client, name)
        assert stale.status_code == 409
        assert "carrier_stats" in stale.text


def test_a_refusal_is_there_before_the_deadline() -> None:
    """A request gives up early enough for its refusal to be sent in time, and not much earlier."""
    made = world_with_a_real_transform()
    made.store.delay_seconds = 2.0
    took = []
    with serving(build_app(replace(SETTINGS, limits=Limits(deadline_ms=400)), made.parts())) as client:
        for _ in range(3):  # one of them is held up by nothing else
            started = time.perf_counter()
            assert ask(client, "likewise").status_code == 504
            took.append(time.perf_counter() - started)
    assert 0.3 < min(took) < 0.4
