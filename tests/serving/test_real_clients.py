"""Others' clients, unmodified, against `likewise serve` as in production: a real release and store, two workers."""

import json
import urllib.request
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.serving.real_project import ROWS, project_in
from tests.serving.server_process import Server, running
from tests.serving.test_openapi_conformance import NUMBERS, narrowed, run_once

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent's and its own
    from tritonclient import http as triton
    from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.slow
KNOWN = {
    "release": ["small", "small@prod", "small:1", "none"],
    "name": ["small", "none"],
    "version": ["1", "9", "x"],
    "label": ["prod", "none"],
    "reference": ["small:1", "none:1", "small@prod"],
}
DEPARTS_SECONDS = round(datetime.fromisoformat(ROWS["departs"][0]).timestamp())
CARRIERS = {"type": "array", "items": {"anyOf": [{"enum": ["UA", "OO", "DL", None]}, {"type": "string"}]}}
TIMES = {"type": "array", "items": {"anyOf": [{"enum": ["2013-11-05T23:30:00Z", None, 5]}, {"type": "number"}]}}
MEMBERS: dict[str, Any] = {
    "entities": {"type": "object", "properties": {"carrier": CARRIERS, "distance": NUMBERS, "departs": TIMES}},
    "request": {"type": "object", "properties": {"distance": NUMBERS, "departs": TIMES}},
    "df": {"type": "object", "properties": {"carrier": {"type": "array"}, "mean_delay": {"type": "array"}}},
    "feature_service": {"enum": ["full", "plain", "routes", "none", None]},
    "features": {"type": "array", "items": {"enum": ["carrier_stats:flights", "ratio:delay_per_mile", "a:b", "a"]}},
    "instances": {"type": "array", "items": {"type": "object", "properties": {"carrier": CARRIERS}}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ["--roles", "features,predict", "--release", "small@prod", "--workers", "2"]
    folder = tmp_path_factory.mktemp("project")
    with project_in(folder) as project, running(folder, *options, **project.environ()) as server:
        yield server


def tensors(binary: bool) -> list[triton.InferInput]:
    """Return the rows of the project; a missing number is NaN and a time seconds, as tensors spell them."""
    arrays = {
        "carrier": (np.array(ROWS["carrier"], dtype=object), "BYTES"),
        "distance": (np.array(ROWS["distance"], dtype=np.float64), "FP64"),
        "departs": (np.full(3, DEPARTS_SECONDS), "INT64"),
    }
    made = []
    for name, (values, datatype) in arrays.items():
        tensor = triton.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


def test_tritons_client_gets_what_our_own_path_answers(server: Server) -> None:
    """Metadata, readiness and predictions, in binary both ways, by the bits of `/v1/predict`; errors are its own."""
    body = {"entities": {"carrier": ROWS["carrier"]}, "request": {name: ROWS[name] for name in ("distance", "departs")}}
    request = urllib.request.Request(
        f"{server.address}/v1/predict/small", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        expected = np.array(json.load(answer)["predictions"], np.float32)
    with triton.InferenceServerClient(server.address.removeprefix("http://")) as client:
        assert client.is_server_ready()
        assert client.is_model_ready("small", "1")
        described = {item["name"]: item["datatype"] for item in client.get_model_metadata("small")["inputs"]}
        assert described == {"carrier": "BYTES", "distance": "FP64", "departs": "INT64"}
        for _ in range(4):  # of either worker
            found = client.infer("small", tensors(binary=True))
            assert found.as_numpy(found.get_response()["outputs"][0]["name"]).tobytes() == expected.tobytes()
        with pytest.raises(InferenceServerException, match="does not exist"):
            client.infer("small", tensors(binary=True), model_version="9")


@pytest.mark.parametrize("mode", ["all", "positive"])
def test_schemathesis_finds_nothing_wrong_with_a_running_server(server: Server, tmp_path: Path, mode: str) -> None:
    """Its own command, over the document as it is and over what the server really has: every answer is described."""
    document = httpx.get(f"{server.address}/openapi.json").json()
    if mode == "positive":
        document = narrowed(document, KNOWN, MEMBERS)
    run_once(tmp_path, server.address, document, "--max-examples", "4", "--phases", "fuzzing", "--mode", mode)
    assert not [line for line in list(server.log) if '"level":"ERROR"' in line]
