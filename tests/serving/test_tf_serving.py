"""TF Serving's REST API in the variations that its clients send."""

from typing import Any

import pytest

from tests.serving.client import Client

ROW = {"carrier": "UA", "origin": "JFK", "dest": "SFO", "distance": 100.5}
COLUMNS = {name: [value, value] for name, value in ROW.items()}
BASES = ("/v1/models/flight_delay", "/v1/models/flight_delay/versions/1", "/v1/models/flight_delay/labels/prod")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"instances": [ROW]}, {"predictions": [1105.25]}),
        ({"instances": [ROW, {**ROW, "carrier": None}]}, {"predictions": [1105.25, 1100.75]}),
        ({"instances": [dict(reversed(ROW.items())), ROW]}, {"predictions": [1105.25, 1105.25]}),
        ({"inputs": COLUMNS}, {"outputs": [1105.25, 1105.25]}),
        ({"signature_name": "serving_default", "instances": [ROW]}, {"predictions": [1105.25]}),
        ({"signature_name": None, "inputs": COLUMNS}, {"outputs": [1105.25, 1105.25]}),
        ({"instances": []}, {"predictions": []}),
        ({"instances": [ROW], "unknown_member": 1}, {"predictions": [1105.25]}),
    ],
)
def test_rows_and_columns_by_every_address(client: Client, base: str, body: Any, answer: Any) -> None:
    """Row and column format, by name, version and label; rows may order their fields as they like."""
    got = client.post(f"{base}:predict", json=body)
    assert (got.status_code, got.json()) == (200, answer)
    assert got.headers["x-likewise-release"] == "flight_delay:1"


@pytest.mark.parametrize("base", BASES)
def test_status_and_metadata_by_every_address(client: Client, base: str) -> None:
    """What a client asks before it predicts: the state of the version, and the signature with names and types."""
    status = client.get(base).json()["model_version_status"]
    assert status == [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
    metadata = client.get(f"{base}/metadata").json()
    assert metadata["model_spec"] == {"name": "flight_delay", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert {name: tensor["dtype"] for name, tensor in signature["inputs"].items()} == {
        "carrier": "DT_STRING",
        "origin": "DT_STRING",
        "dest": "DT_STRING",
        "distance": "DT_DOUBLE",
    }
    assert signature["outputs"]["prediction"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        (f"{BASES[0]}:predict", {}, 422, "either 'instances' or 'inputs'"),
        (f"{BASES[0]}:predict", {"instances": [ROW], "inputs": COLUMNS}, 422, "both"),
        (f"{BASES[0]}:predict", {"instances": [ROW, {"carrier": "UA"}]}, 422, "instance 1"),
        (f"{BASES[0]}:predict", {"instances": [1.0]}, 422, "an object of named values"),
        (f"{BASES[0]}:predict", {"inputs": {**COLUMNS, "distance": [1]}}, 422, "distance"),
        (f"{BASES[0]}:predict", {"inputs": [1, 2]}, 422, "'inputs'"),
        (f"{BASES[0]}:predict", {"signature_name": "other", "instances": [ROW]}, 422, "serving_default"),
        ("/v1/models/flight_delay/versions/2:predict", {"instances": [ROW]}, 404, "does not exist"),
        ("/v1/models/flight_delay/labels/canary:predict", {"instances": [ROW]}, 404, "does not exist"),
        ("/v1/models/flight_dely:predict", {"instances": [ROW]}, 404, "Did you mean 'flight_delay"),
    ],
)
def test_errors_are_one_text_as_its_clients_read_it(
    client: Client, path: str, body: Any, status: int, told: str
) -> None:
    """`{"error": "..."}` with what was expected, below 500."""
    got = client.post(path, json=body)
    assert got.status_code == status
    assert list(got.json()) == ["error"]
    assert told in got.json()["error"]
