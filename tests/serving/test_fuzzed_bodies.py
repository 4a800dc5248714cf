"""Bodies made wrong on purpose, for every route that takes one: over fakes, over a real repository, over a socket.

`make test` sends a few thousand; `make prove` 100,000 (`LIKEWISE_TEST_BODIES`).
"""

import asyncio
import contextlib
import http.client
import json
import os
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from likewise.serving.app import build_app
from likewise.serving.open_parts import open_parts
from likewise.serving.settings import Limits
from tests.serving.client import Client, serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import NOW, World
from tests.serving.fuzzing import Case, Fuzzer, Right, send
from tests.serving.real_project import Project, project_in
from tests.serving.test_run import serving as serving_process

BODIES = int(os.environ.get("LIKEWISE_TEST_BODIES", "100000"))
LIMITS = Limits(body_bytes=20_000, rows=50)
# A fault of ours; others of 500 and on (503 of a store that is gone) have no reason here either.
FAULT = 500


def packed_texts(texts: Sequence[str]) -> bytes:
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)


def infer(path: str, keys: dict[str, list[str]], numbers: dict[str, list[float]]) -> list[Right]:
    """Return a V2 request, once in JSON and once with binary tensors."""
    plain, binary, tail = [], [], b""
    for name, texts in keys.items():
        plain.append({"name": name, "datatype": "BYTES", "shape": [len(texts)], "data": texts})
        packed = packed_texts(texts)
        size = {"binary_data_size": len(packed)}
        binary.append({"name": name, "datatype": "BYTES", "shape": [len(texts), 1], "parameters": size})
        tail += packed
    for name, values in numbers.items():
        plain.append({"name": name, "datatype": "FP64", "shape": [len(values)], "data": values})
        packed = np.array(values, "<f8").tobytes()
        size = {"binary_data_size": len(packed)}
        binary.append({"name": name, "datatype": "FP64", "shape": [len(values)], "parameters": size})
        tail += packed
    outputs = [{"name": "prediction", "parameters": {"binary_data": True}}]
    return [Right(path, {"id": "1", "inputs": plain}), Right(path, {"inputs": binary, "outputs": outputs}, tail)]


ENTITIES = {"carrier": ["UA", "OO", None], "origin": ["JFK"] * 3, "dest": ["SFO"] * 3}
ROWS = {"entities": ENTITIES, "request": {"distance": [1.5, None, -3], "event_timestamp": ["2013-11-05T12:00:00Z"] * 3}}
SENT = {**ENTITIES, "distance": [1.5, None, -3]}
FLIGHTS = [
    Right("/v1/predict/flight_delay", ROWS),
    Right("/v1/predict/flight_delay?explain=inputs", ROWS),
    Right("/v1/vectors/flight_delay@prod", ROWS),
    *[
        Right(f"/v1/models/flight_delay{which}:predict", body)
        for which in ("", "/versions/1", "/labels/prod")
        for body in (
            {
                "signature_name": "serving_default",
                "instances": [{"carrier": "UA", "origin": "JFK", "dest": "SFO", "distance": 1}],
            },
            {"inputs": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"], "distance": [1.0]}},
        )
    ],
    *infer(
        "/v2/models/flight_delay/infer", {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}, {"distance": [2.0]}
    ),
    *infer(
        "/v2/models/flight_delay/versions/1/infer",
        {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]},
        {"distance": [2.0]},
    ),
    Right("/get-online-features", {"feature_service": "flight_delay_v1", "entities": SENT, "full_feature_names": True}),
    Right("/get-online-features", {"features": ["carrier_stats:flights"], "entities": {"carrier": ["UA"]}}),
    Right("/push", {"push_source_name": "p", "df": {"carrier": ["UA"], "flights": [1]}, "to": "online"}),
    Right("/write-to-online-store", {"feature_view_name": "carrier_stats", "df": {"carrier": ["UA"], "flights": [1]}}),
]
WRITTEN = {
    "carrier": ["UA"],
    "mean_delay": [4.5],
    "flights": [7],
    "airline": ["United"],
    "share": [0.5],
    "is_low_cost": [True],
    "last_seen": ["2013-11-05T10:00:00Z"],
    "hubs": [["ORD"]],
    "counts": [[1, 2]],
    "event_timestamp": [NOW.isoformat()],
}
SMALL = {
    "entities": {"carrier": ["UA", "ZZ"]},
    "request": {"distance": [1.5, None], "departs": ["2013-11-05T23:30:00Z", 5]},
}
REAL = [
    Right("/v1/predict/small", SMALL),
    Right("/v1/predict/small?explain=inputs", SMALL),
    Right("/v1/vectors/small", SMALL),
    Right(
        "/v1/models/small:predict", {"instances": [{"carrier": "UA", "distance": 1, "departs": "2013-11-05T23:30:00Z"}]}
    ),
    *infer("/v2/models/small/infer", {"carrier": ["UA"]}, {"distance": [2.0], "departs": [1383694200.0]}),
    Right(
        "/get-online-features",
        {"feature_service": "full", **SMALL, "entities": {**SMALL["entities"], **SMALL["request"]}},
    ),
    Right("/get-online-features", {"feature_service": "plain", "entities": {"carrier": ["UA", "OO", "DL", None]}}),
    Right(
        "/get-online-features",
        {"feature_service": "routes", "entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["X"]}},
    ),
    Right(
        "/get-online-features",
        {"features": ["carrier_stats:hubs", "totals:all_flights"], "entities": {"carrier": ["UA"]}},
    ),
    Right("/push", {"push_source_name": "carrier_stats_push", "df": WRITTEN, "to": "online"}),
    Right("/write-to-online-store", {"feature_view_name": "carrier_stats", "df": WRITTEN}),
]


def check(case: Case, status: int, body: bytes) -> None:
    """Hold an answer against the promise: below 500, and a document that says what is wrong."""
    assert status < FAULT, f"{case}\n{status} {body[:2000]!r}"
    if status >= 400:
        document = orjson.loads(body)
        assert {"detail", "error"} & set(document), f"{case}\n{body[:500]!r}"
        assert str(document.get("detail") or document["error"]).strip()


def fuzz(client: Client, app: FastAPI, fuzzer: Fuzzer, count: int) -> Counter[tuple[str, int]]:
    """Send so many bodies; return how many answers each route gave with each status."""
    seen: Counter[tuple[str, int]] = Counter()

    async def run() -> None:
        for _ in range(count):
            case = fuzzer.next()
            await asyncio.sleep(0)  # a turn of the loop for each, as over sockets
            try:
                status, _, body = await send(app, case)
            except Exception as error:
                raise AssertionError(f"{case} raised {error!r}") from error
            check(case, status, body)
            seen[case.path, status] += 1

    client.portal.call(run)
    return seen


def post_routes(app: FastAPI) -> set[str]:
    """Return every route that takes a body, as a pattern."""
    return {route.path_regex.pattern for route in app.routes if isinstance(route, APIRoute) and "POST" in route.methods}


@contextlib.contextmanager
def fakes() -> Iterator[tuple[Client, FastAPI]]:
    app = build_app(replace(SETTINGS, limits=LIMITS), World().parts())
    with serving(app) as client:
        yield client, app


def check_spread(seen: Counter[tuple[str, int]], rights: Sequence[Right]) -> None:
    """Refuse a fuzzer that only ever sends nonsense, or nothing but what is right."""
    for path in {right.path for right in rights}:
        statuses = {status for at, status in seen if at == path}
        assert 200 in statuses, f"{path}: nothing was answered"
        assert statuses & {400, 422}, f"{path}: nothing was refused"


def test_every_route_that_takes_a_body_is_fuzzed() -> None:
    """A new POST route must be added to the fuzzed ones."""
    with fakes() as (_, app):
        paths = [right.path.partition("?")[0] for right in FLIGHTS]
        untried = [pattern for pattern in post_routes(app) if not any(re.match(pattern, path) for path in paths)]
        assert untried == []


def test_a_right_request_is_right() -> None:
    """What the fuzzer starts from is answered."""
    with fakes() as (client, app):
        for right in FLIGHTS:
            fuzzer = Fuzzer([right], 0)
            case = next(case for case in iter(fuzzer.next, None) if _is_plain(case, right))
            status, _, body = client.portal.call(send, app, case)
            assert status == 200, (right.path, body)


def _is_plain(case: Case, right: Right) -> bool:
    head = json.dumps(right.document, separators=(",", ":")).encode()
    return (
        case.body == head + right.tail
        and case.headers.get("content-type") == "application/json"
        and len(case.headers) <= 2
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_fuzzed_bodies_are_no_fault(seed: int) -> None:
    """Thousands of wrong bodies are answered below 500 with a document, and the next right one is answered."""
    with fakes() as (client, app):
        fuzz(client, app, Fuzzer(FLIGHTS, seed), 1_500)
        assert client.post("/v1/predict/flight_delay", json=ROWS).status_code == 200


@pytest.mark.prove
def test_a_hundred_thousand_fuzzed_bodies_are_no_fault() -> None:
    """100,000 wrong bodies for every route: no 500; each route answered some and refused some."""
    with fakes() as (client, app):
        check_spread(fuzz(client, app, Fuzzer(FLIGHTS, 2026), BODIES), FLIGHTS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_in(tmp_path_factory.mktemp("project")) as project:
        yield project


@pytest.mark.slow
def test_fuzzed_bodies_are_no_fault_of_a_real_repository(project: Project) -> None:
    """Wrong bodies meet Redis, on-demand code, Feast's types and writes: no 500."""
    with real(project) as (client, app):
        fuzz(client, app, Fuzzer(REAL, 3), 2_000)


@pytest.mark.prove
def test_many_fuzzed_bodies_are_no_fault_of_a_real_repository(project: Project) -> None:
    """A third as many wrong bodies meet Redis, on-demand code, Feast's types and writes: no 500."""
    with real(project) as (client, app):
        check_spread(fuzz(client, app, Fuzzer(REAL, 2026), BODIES // 3), REAL)


@contextlib.contextmanager
def real(project: Project) -> Iterator[tuple[Client, FastAPI]]:
    settings = project.settings(limits=replace(LIMITS, deadline_ms=20_000.0))
    app = build_app(settings, open_parts(settings))
    with serving(app) as client:
        yield client, app


@pytest.mark.slow
def test_fuzzed_bodies_over_a_socket(project: Project) -> None:
    """Over a real socket, with headers as HTTP has them, wrong bodies are answered below 500 and the server goes on."""
    with serving_process(project.repo, 1) as (process, address):
        port = int(address.rsplit(":", 1)[1])
        fuzzer = Fuzzer([right for right in REAL if right.path == "/get-online-features"], 4)
        for _ in range(1_000):
            case = fuzzer.next()
            check(case, *over_socket(port, case))
        assert process.poll() is None


def over_socket(port: int, case: Case) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers: dict[str, Any] = {
        name: text.encode() for name, text in case.headers.items() if name != "content-length" and "\t" not in text
    }
    with contextlib.closing(connection):
        connection.request("POST", case.path, case.body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
