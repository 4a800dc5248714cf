import json
import struct
from typing import Any

import numpy as np
import pytest

from likewise.serving.open_inference import parse_request
from likewise.transforms import LikewiseError
from tests.serving.client import Client

INFER = "/v2/models/flight_delay/infer"
LENGTH = "inference-header-content-length"


def text_tensor(*texts: str) -> bytes:
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)


def json_inputs(n: int = 1) -> list[dict[str, Any]]:
    texts = {"carrier": "UA", "origin": "JFK", "dest": "SFO"}
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [n, 1], "data": [[value]] * n} for name, value in texts.items()
    ]
    return [*inputs, {"name": "distance", "datatype": "FP64", "shape": [n], "data": [100.5] * n}]


def binary_request(outputs: bool) -> tuple[bytes, dict[str, str]]:
    """Return a body as tritonclient writes it, and its headers."""
    tensors = [text_tensor("UA", "ZZ"), text_tensor("JFK", "JFK"), text_tensor("SFO", "SFO")]
    tensors.append(np.array([100.5, np.nan]).tobytes())
    inputs = [
        {
            "name": name,
            "datatype": "FP64" if name == "distance" else "BYTES",
            "shape": [2],
            "parameters": {"binary_data_size": len(tensor)},
        }
        for name, tensor in zip(("carrier", "origin", "dest", "distance"), tensors, strict=True)
    ]
    document: dict[str, Any] = {"id": "7", "inputs": inputs}
    if outputs:
        document["outputs"] = [{"name": "prediction", "parameters": {"binary_data": True}}]
    else:
        document["parameters"] = {"binary_data_output": True}
    header = json.dumps(document).encode()
    return header + b"".join(tensors), {LENGTH: str(len(header))}


def test_json_tensors_are_answered(client: Client) -> None:
    """Inputs as JSON tensors give the prediction as a JSON tensor, with the release that made it."""
    answer = client.post(INFER, json={"id": "a", "inputs": json_inputs(2)})
    assert answer.status_code == 200
    assert answer.json() == {
        "model_name": "flight_delay",
        "model_version": "1",
        "id": "a",
        "outputs": [{"name": "prediction", "datatype": "FP32", "shape": [2], "data": [1105.25, 1105.25]}],
    }
    assert answer.headers["x-likewise-release"] == "flight_delay:1"


@pytest.mark.parametrize("outputs", [True, False])
def test_binary_tensors_are_answered_in_binary(client: Client, *, outputs: bool) -> None:
    """The binary tensor extension works both ways, as tritonclient uses it; NaN is missing."""
    body, headers = binary_request(outputs)
    answer = client.post(INFER, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers[LENGTH])
    header = json.loads(answer.content[:length])
    assert header["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(answer.content[length:], "<f4").tolist() == [1105.25, 1000.25]


def test_metadata_and_health(client: Client) -> None:
    """A client learns the inputs, the output, and that server and model are ready."""
    metadata = client.get("/v2/models/flight_delay/versions/1").json()
    assert metadata["inputs"][0] == {"name": "carrier", "datatype": "BYTES", "shape": [-1]}
    assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [-1]}]
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/flight_delay/ready"):
        assert client.get(path).status_code == 200
    assert list(client.get("/v2/models/none").json()) == ["error"]


def changed(at: int, **members: Any) -> dict[str, Any]:
    inputs = json_inputs()
    inputs[at] = inputs[at] | members
    return {"inputs": inputs}


WRONG = [
    {"inputs": 1},
    {"inputs": [1]},
    {},
    {"inputs": json_inputs()[:3]},
    changed(0, datatype="STRING"),
    changed(0, shape=[2]),
    changed(0, shape=[1, 2]),
    changed(0, shape=["1"]),
    changed(0, shape=[]),
    changed(0, data=7),
    changed(0, parameters={"binary_data_size": 9}),
    changed(0, parameters={"binary_data_size": -1}),
    changed(3, data=["far"]),
    {"inputs": json_inputs(), "outputs": [{"name": "other"}]},
    {"inputs": json_inputs(), "outputs": [3]},
]


@pytest.mark.parametrize("body", WRONG)
def test_wrong_tensors_say_what_was_expected(client: Client, body: dict[str, Any]) -> None:
    """A request that is not of the protocol, or not of the release, is 4xx with one text."""
    answer = client.post(INFER, json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("length", ["0", "-1", "x", "99999"])
def test_a_wrong_header_length_is_refused(client: Client, length: str) -> None:
    """A length of the JSON header that can't be is 4xx."""
    answer = client.post(INFER, content=b"{}", headers={LENGTH: length})
    assert 400 <= answer.status_code < 500


def test_cut_binary_is_refused() -> None:
    """A binary body cut or damaged at any place is refused or read as what it then says; it never breaks."""
    body, headers = binary_request(outputs=True)
    length = int(headers[LENGTH])
    for end in range(length, len(body)):
        with pytest.raises(LikewiseError):
            parse_request(body[:end], length, "prediction")
    with pytest.raises(LikewiseError):
        parse_request(body + b"x", length, "prediction")
