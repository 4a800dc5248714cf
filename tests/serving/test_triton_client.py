"""NVIDIA's own client of the Open Inference Protocol, unmodified, over a socket."""

import threading
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import uvicorn

from likewise.serving.app import build_app
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent's and its own
    from tritonclient import http as triton
    from tritonclient.utils import InferenceServerException

CARRIERS = np.array(["UA", "OO", "ZZ"], dtype=object)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Run the app on a free port, in a thread."""
    app = build_app(SETTINGS, World().parts())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield "127.0.0.1:" + str(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as client:
        yield client


def inputs(binary: bool, n: int = 3, **changed: tuple[np.ndarray, str]) -> list[triton.InferInput]:
    """Return the inputs of n rows; a changed one is values and datatype."""
    arrays = {
        "carrier": (CARRIERS[:n], "BYTES"),
        "origin": (np.array(["JFK"] * n, dtype=object), "BYTES"),
        "dest": (np.array(["SFO"] * n, dtype=object), "BYTES"),
        "distance": (np.arange(n, dtype=np.float64) + 100.5, "FP64"),
        **changed,
    }
    made = []
    for name, (values, datatype) in arrays.items():
        tensor = triton.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


WANTED = [1000 + 4.5 + 0.25 + 100.5, 1000 + 0.25 + 101.5, 1000 + 0.25 + 102.5]


def test_server_and_model_are_ready_and_described(client: triton.InferenceServerClient) -> None:
    """The client's own questions: live, ready, metadata of server and model, by name and by version."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("flight_delay")
    assert client.is_model_ready("flight_delay", "1")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["name"] == "likewise"
    metadata = client.get_model_metadata("flight_delay")
    assert {item["name"]: item["datatype"] for item in metadata["inputs"]} == {
        "carrier": "BYTES",
        "origin": "BYTES",
        "dest": "BYTES",
        "distance": "FP64",
    }
    assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [-1]}]
    assert metadata["versions"] == ["1"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_it_infers_by_json_and_by_binary(
    client: triton.InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    """Several inputs (text and numbers) in JSON or binary give float32 predictions in JSON or binary."""
    wanted = [triton.InferRequestedOutput("prediction", binary_data=binary_out)]
    result = client.infer("flight_delay", inputs(binary_in), outputs=wanted, request_id="mine")
    predictions = result.as_numpy("prediction")
    assert predictions.dtype == np.float32
    assert predictions.tolist() == WANTED
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("flight_delay", "1", "mine")


def test_no_named_output_gives_the_one_there_is(client: triton.InferenceServerClient) -> None:
    """Without `outputs` the client asks for all in binary, and by a version."""
    result = client.infer("flight_delay", inputs(binary=True), model_version="1")
    assert result.as_numpy("prediction").tolist() == WANTED


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_a_compressed_answer_may_be_asked_for(client: triton.InferenceServerClient, compression: str) -> None:
    """A client that would take a compressed answer gets one that it understands."""
    result = client.infer("flight_delay", inputs(binary=True), response_compression_algorithm=compression)
    assert result.as_numpy("prediction").tolist() == WANTED


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_a_compressed_request_is_understood(client: triton.InferenceServerClient, compression: str) -> None:
    """What the client compresses is read."""
    result = client.infer("flight_delay", inputs(binary=True), request_compression_algorithm=compression)
    assert result.as_numpy("prediction").tolist() == WANTED


@pytest.mark.parametrize("dtype", ["FP32", "FP64", "FP16", "INT64", "INT32", "UINT8"])
@pytest.mark.parametrize("binary", [True, False])
def test_numbers_of_any_datatype_are_taken(client: triton.InferenceServerClient, dtype: str, binary: bool) -> None:
    """A number may come in any numeric datatype; it means its value."""
    kinds = {"FP32": np.float32, "FP64": np.float64, "FP16": np.float16}
    kind = kinds.get(dtype) or np.dtype(dtype.lower()).type
    if dtype == "FP16" and not binary:
        pytest.skip("the client itself refuses FP16 in JSON")
    changed = inputs(binary, distance=(np.array([100, 101, 102], kind), dtype))
    assert client.infer("flight_delay", changed).as_numpy("prediction").tolist() == [
        1000 + 4.5 + 0.25 + 100,
        1000 + 0.25 + 101,
        1000 + 0.25 + 102,
    ]


def test_a_column_of_shape_n_by_1_is_taken(client: triton.InferenceServerClient) -> None:
    """Models behind Triton often declare [-1, 1]."""
    columns = {
        "distance": (np.array([[100.5], [101.5], [102.5]]), "FP64"),
        "carrier": (CARRIERS.reshape(3, 1), "BYTES"),
    }
    assert client.infer("flight_delay", inputs(binary=True, **columns)).as_numpy("prediction").tolist() == WANTED


WRONG = {
    "a number where text is asked for": ({"carrier": (np.arange(3), "INT64")}, "'carrier'"),
    "text where a number is asked for": ({"distance": (CARRIERS, "BYTES")}, "'distance'"),
    "numbers of another length": ({"distance": (np.array([1.0]), "FP64")}, "distance"),
    "a matrix": ({"distance": (np.ones((3, 2)), "FP64")}, r"\[n\] or \[n, 1\]"),
    "an input that is not known": ({"distanse": (np.ones(3), "FP64")}, "Did you mean 'distance'"),
}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_to_the_client(client: triton.InferenceServerClient, name: str, binary: bool) -> None:
    """Errors arrive as the client's own exception, with what was expected."""
    changed, told = WRONG[name]
    with pytest.raises(InferenceServerException, match=told):
        client.infer("flight_delay", inputs(binary, **changed))  # type: ignore[arg-type]


def test_unknown_models_versions_and_outputs_are_told(client: triton.InferenceServerClient) -> None:
    """A name that is not served is the client's exception, with what there is."""
    for model, version in (("none", ""), ("flight_delay", "9")):
        with pytest.raises(InferenceServerException, match="does not exist"):
            client.infer(model, inputs(binary=True), model_version=version)
    with pytest.raises(InferenceServerException, match="'prediction'"):
        client.infer("flight_delay", inputs(binary=True), outputs=[triton.InferRequestedOutput("other")])
