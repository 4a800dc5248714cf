"""Whatever a body holds, the answer is never a 500."""

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from likewise.serving.app import build_app
from tests.serving.client import serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World

NAMES = st.sampled_from(["carrier", "origin", "dest", "distance", "event_timestamp", "x", "", "mean_delay"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["UA", "JFK", "SFO", "NaN", "2013-11-05T12:00:00Z", "9999-12-31T23:59:59+23:59", "\x00", "é"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=6
)
FIELDS = st.dictionaries(NAMES, st.lists(SCALARS, max_size=3) | VALUES, max_size=5)
GOOD = {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}
TENSORS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "datatype": st.sampled_from(["BYTES", "FP64", "INT64", "BOOL", "FP16", "STRING"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3),
        "data": st.lists(SCALARS, max_size=3) | VALUES,
    },
    optional={"parameters": st.just({"binary_data_size": 3}) | VALUES},
)
MEMBERS = {
    "entities": FIELDS | st.just(GOOD) | VALUES,
    "request": FIELDS | st.just({"distance": [1]}) | VALUES,
    "feature_service": st.sampled_from(["flight_delay_v1", "none", "", 1, None]),
    "features": st.lists(st.sampled_from(["carrier_stats:flights", "a:b", ":", "a", "a@v1:b"]), max_size=3) | VALUES,
    "full_feature_names": VALUES,
    "include_feature_view_version_metadata": VALUES,
    "instances": st.lists(FIELDS, max_size=3) | VALUES,
    "inputs": FIELDS | VALUES | st.lists(TENSORS, max_size=4),
    "outputs": VALUES,
    "parameters": VALUES,
    "signature_name": VALUES,
    "push_source_name": VALUES,
    "feature_view_name": VALUES,
    "to": VALUES,
    "df": FIELDS | VALUES,
}
BODIES = st.fixed_dictionaries({}, optional=MEMBERS) | VALUES
PATHS = (
    "/v1/predict/flight_delay",
    "/v1/predict/flight_delay?explain=inputs",
    "/v1/vectors/flight_delay",
    "/get-online-features",
    "/push",
    "/write-to-online-store",
    "/v1/models/flight_delay:predict",
    "/v1/models/flight_delay/versions/1:predict",
    "/v2/models/flight_delay/infer",
)


def test_no_body_is_a_500() -> None:
    """Bodies of every shape, and bytes that are no JSON, are answered below 500 with a document that says why."""
    with serving(build_app(SETTINGS, World().parts())) as client:

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
        @given(path=st.sampled_from(PATHS), body=BODIES.map(_json) | st.binary(max_size=40))
        def check(path: str, body: bytes) -> None:
            answer = client.post(path, content=body)
            assert answer.status_code < 500, (path, body, answer.text)
            if answer.status_code >= 400:
                assert {"detail", "error"} & set(answer.json())

        check()


def test_no_path_is_a_500() -> None:
    """Paths and queries of any text are answered below 500."""
    with serving(build_app(SETTINGS, World().parts())) as client:
        texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(base=st.sampled_from(["/v1/predict/", "/v1/models/", "/v1/registry/releases/", "/"]), rest=texts)
        def check(base: str, rest: str) -> None:
            for method in ("GET", "POST"):
                answer = client.request(method, base + _quoted(rest), content=b"{}")
                assert answer.status_code < 500, (base, rest, answer.text)

        check()


def _json(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        return b"{}"


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
