"""schemathesis against a listening server: no answer but those that the OpenAPI document tells of."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from likewise.serving.app import build_app
from likewise.serving.settings import Role, Tokens
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World

BOTH: tuple[Role, ...] = ("features", "predict")
KNOWN = {
    "release": ["flight_delay", "flight_delay@prod", "flight_delay:1", "none", "flight_delay:9"],
    "name": ["flight_delay", "none"],
    "version": ["1", "9", "x"],
    "label": ["prod", "none"],
    "reference": ["flight_delay:1", "none:1", "flight_delay@prod"],
}
TEXTS = {"type": "array", "items": {"anyOf": [{"enum": ["UA", "OO", "DL", "JFK", "SFO", None]}, {"type": "string"}]}}
NUMBERS = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}
FIELDS = {"carrier": TEXTS, "origin": TEXTS, "dest": TEXTS, "distance": NUMBERS}
TENSORS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"enum": [*FIELDS, "x"]},
            "datatype": {"enum": ["BYTES", "FP64", "FP32", "INT64", "BOOL", "x"]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 3}, "maxItems": 2},
            "data": {"anyOf": [TEXTS, NUMBERS]},
        },
        "required": ["name", "datatype", "shape", "data"],
    },
}
MEMBERS: dict[str, Any] = {
    "entities": {"type": "object", "properties": FIELDS},
    "request": {"type": "object", "properties": {"distance": NUMBERS}},
    "df": {"type": "object", "properties": {"carrier": {"type": "array"}, "mean_delay": {"type": "array"}}},
    "feature_service": {"enum": ["flight_delay_v1", "none", None]},
    "features": {"type": "array", "items": {"enum": ["carrier_stats:flights", "route_stats:late_share", "a:b", "a"]}},
    "instances": {"type": "array", "items": {"type": "object", "properties": FIELDS}},
}


@contextmanager
def listening(roles: tuple[Role, ...], tokens: Tokens) -> Iterator[str]:
    """Run a server of some roles on a free port, in a thread; yield its address."""
    world = World()
    releases = SETTINGS.releases if "predict" in roles else ()
    app = build_app(replace(SETTINGS, roles=roles, releases=releases, tokens=tokens, poll_seconds=1.0), world.parts())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def narrowed(document: dict[str, Any], known: dict[str, list[str]], members: dict[str, Any]) -> dict[str, Any]:
    """Return a document whose paths and bodies name what the server has, so that requests come further than a 404."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"] = {
                        "anyOf": [{"enum": known[parameter["name"]]}, {"type": "string", "minLength": 1}]
                    }
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                properties = media["schema"]["properties"]
                properties |= {name: members[name] for name in members.keys() & properties.keys()}
                if "inputs" in properties:
                    properties["inputs"] = TENSORS if path.endswith("/infer") else members["entities"]
    return document


def run_schemathesis(folder: Path, address: str, examples: int, *options: str) -> None:
    """Run schemathesis's own command over the document as it is, then with valid requests over a narrowed one.

    Of the narrowed one only what is valid by it is sent: an answer to what it leaves out would not be a fault.
    """
    document = httpx.get(f"{address}/openapi.json").json()
    sent = ("--max-examples", str(examples), *options)
    run_once(folder, address, document, *sent, "--mode", "all")
    run_once(folder, address, narrowed(document, KNOWN, MEMBERS), *sent, "--mode", "positive")


def run_once(folder: Path, address: str, document: dict[str, Any], *options: str) -> None:
    """Run the command over a document; what it finds is the failure's text."""
    (folder / "openapi.json").write_text(json.dumps(document))
    command = [sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", "openapi.json", "--url", address]
    # A request that the document allows may still be refused: the routes check more than it can say.
    command += ["--exclude-checks", "positive_data_acceptance", "--no-color", *options]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3_000)
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]
    assert "No API operations" not in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("roles", [BOTH, ("features",), ("predict",)], ids=",".join)
def test_no_request_is_answered_otherwise_than_described(roles: tuple[Role, ...], tmp_path: Path) -> None:
    """Over all routes of every role: no 500, no status, type or shape of an answer that the document does not tell."""
    with listening(roles, Tokens()) as address:
        run_schemathesis(tmp_path, address, 6, "--phases", "coverage,fuzzing" if roles == BOTH else "fuzzing")


@pytest.mark.slow
def test_tokens_are_asked_for_where_the_document_says(tmp_path: Path) -> None:
    """With tokens set, the same, for a caller that has one."""
    with listening(BOTH, Tokens(write=("w-token",), read=("r-token",))) as address:
        header = ("--header", "Authorization: Bearer w-token")
        run_schemathesis(tmp_path, address, 4, "--phases", "fuzzing", *header)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_is_answered_otherwise_than_described_at_length(seed: int, tmp_path: Path) -> None:
    """The same with hundreds of requests for every route, by two seeds."""
    with listening(BOTH, Tokens()) as address:
        run_schemathesis(tmp_path, address, 300, "--phases", "coverage,fuzzing", "--seed", str(seed))


def test_every_route_is_described(tmp_path: Path) -> None:
    """Each route but the pages themselves stands in the document, with its parameters and its refusals."""
    app = build_app(SETTINGS, World().parts())
    document = app.openapi()
    served = {route.path for route in app.routes} - {"/docs", "/openapi.json", "/docs/oauth2-redirect", "/redoc"}  # type: ignore[attr-defined]
    assert served == set(document["paths"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            inside = [item["name"] for item in operation["parameters"] if item["in"] == "path"]
            assert all(f"{{{name}}}" in path for name in inside)
            assert len(inside) == path.count("{")
            if not path.startswith(("/health", "/metrics", "/v2/health")):
                assert {"401", "404", "503"} <= operation["responses"].keys(), path
