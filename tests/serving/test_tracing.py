import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from likewise.serving.app import build_app
from likewise.serving.errors import SettingsError
from likewise.serving.gathered_answers import GatheredAnswers
from likewise.serving.settings import LogLines
from likewise.serving.telemetry import Telemetry, wanted_endpoint
from likewise.serving.tracing import traced_reader
from tests.serving.client import Client, serving
from tests.serving.collector import Collector, Span, collecting
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World
from tests.serving.test_app import FOUR, ONE

SERVER, CLIENT, INTERNAL = 2, 3, 1
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with collecting() as collector:
        yield collector


@contextmanager
def traced(world: World, url: str) -> Iterator[Client]:
    telemetry = Telemetry(url)
    load, watch = world.source.load, traced_reader(telemetry)

    def loaded(name: str, version: int) -> Any:
        release = load(name, version)
        return replace(release, reader=watch(release.reader))

    world.source.load = loaded  # type: ignore[method-assign]
    with serving(build_app(SETTINGS, replace(world.parts(), telemetry=telemetry))) as client:
        yield client


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def test_a_request_and_its_stages_arrive_as_spans(world: World, collector: Collector) -> None:
    """A server span with release, transform, rows and status; below it lookup, transform and model, inside its time."""
    with traced(world, collector.url) as client:
        answer = client.post("/v1/predict/flight_delay", json=FOUR, headers={"x-request-id": "me"})
        found = by_name(collector.wait(lambda spans: len(spans) == 4))
    request = found.pop("POST /v1/predict/{release}")
    assert request.kind == SERVER
    assert request.parent == ""
    assert not request.is_error
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/predict/{release}",
        "url.path": "/v1/predict/flight_delay",
        "http.response.status_code": 200,
        "likewise.request_id": "me",
        "likewise.rows": 4,
        "likewise.release": "flight_delay:1",
        "likewise.transform": answer.headers["x-likewise-transform"],
    }
    assert {name: span.kind for name, span in found.items()} == {
        "lookup": CLIENT,
        "transform": INTERNAL,
        "model": INTERNAL,
    }
    for span in found.values():
        assert (span.trace, span.parent) == (request.trace, request.id)
        assert request.start <= span.start <= span.end <= request.end
    assert found["lookup"].attributes == {
        "db.system.name": "redis",
        "likewise.views": ["carrier_stats", "route_stats"],
        "likewise.rows": 4,
    }
    assert request.resource["service.name"] == "likewise"


def test_the_callers_trace_goes_on(world: World, collector: Collector) -> None:
    """`traceparent` makes the request a child of the caller's span; the answer tells which span it was."""
    with traced(world, collector.url) as client:
        sent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
        answer = client.post("/v1/predict/flight_delay", json=ONE, headers=sent)
        request = by_name(collector.wait(lambda spans: len(spans) == 4))["POST /v1/predict/{release}"]
    assert (request.trace, request.parent) == (TRACE, PARENT)
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{request.id}-01"


def test_what_the_caller_does_not_sample_is_not_sent(world: World, collector: Collector) -> None:
    """A caller's decision against sampling counts; a header that is none starts a trace of our own."""
    with traced(world, collector.url) as client:
        for header in (f"00-{TRACE}-{PARENT}-00", "00-zz-1"):
            client.post("/v1/predict/flight_delay", json=ONE, headers={"traceparent": header})
        spans = collector.wait(lambda spans: len(spans) >= 4)
        time.sleep(0.2)
    assert len(spans) == 4
    assert TRACE not in {span.trace for span in spans}


def test_only_what_is_traced_is_predicted_by_itself(
    world: World, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span belongs to one request; those that are not sampled share their work as without traces."""
    shared = []
    alone = GatheredAnswers.answer

    async def counted(self: GatheredAnswers, *given: Any) -> Any:
        shared.append(given)
        return await alone(self, *given)

    monkeypatch.setattr(GatheredAnswers, "answer", counted)
    with traced(world, collector.url) as client:
        for flag in ("00", "01", "00"):
            sent = {"traceparent": f"00-{TRACE}-{PARENT}-{flag}"}
            assert client.post("/v1/predict/flight_delay", json=ONE, headers=sent).status_code == 200
        assert len(collector.wait(lambda spans: len(spans) >= 4)) == 4
    assert len(shared) == 2


def test_errors_are_marked(world: World, collector: Collector) -> None:
    """A fault is an error of its span; a caller's mistake is not, but its kind is told."""
    with traced(world, collector.url) as client:
        client.post("/v1/predict/flight_delay", json={})
        world.store.is_down = True
        client.post("/v1/predict/flight_delay", json=ONE)
        spans = collector.wait(lambda spans: len([span for span in spans if span.kind == SERVER]) == 2)
    wrong, down = [span for span in spans if span.kind == SERVER]
    assert (wrong.is_error, wrong.attributes["http.response.status_code"]) == (False, 422)
    assert wrong.attributes["error.type"] == "MissingKeyError"
    assert (down.is_error, down.attributes["error.type"]) == (True, "StoreUnavailableError")
    assert by_name(spans)["lookup"].is_error


def test_log_lines_name_the_trace(world: World, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """A line of the log and the span of a request know each other."""
    caplog.set_level("INFO")
    settings = replace(SETTINGS, log=LogLines("json"))
    with serving(build_app(settings, replace(world.parts(), telemetry=Telemetry(collector.url)))) as client:
        answer = client.post("/v1/predict/flight_delay", json=ONE)
    (line,) = [record for record in caplog.records if record.name == "likewise.requests"]
    assert answer.headers["traceresponse"].startswith(f"00-{line.trace_id}-{line.span_id}-")  # type: ignore[attr-defined]


def test_a_collector_that_is_gone_costs_spans_not_requests(
    world: World, monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    """Without a collector answers go on, the queue is bounded, lost spans are counted, and the end does not hang."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    collector.status = 503  # the exporter tries again and again
    with traced(world, collector.url) as client:
        answers = [client.post("/v1/predict/flight_delay", json=ONE).status_code for _ in range(50)]
        lines = client.get("/metrics").text.splitlines()
        ended = time.monotonic()
    assert set(answers) == {200}
    (lost,) = [float(line.split()[1]) for line in lines if line.startswith("likewise_trace_spans_lost_total ")]
    assert 200 - 64 <= lost <= 200
    assert time.monotonic() - ended < 10


def test_headers_of_the_exporter_come_from_the_environment(
    world: World, monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    """What collectors ask for (a key, a name of the service) is set as everywhere."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "delays")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with traced(world, collector.url) as client:
        client.post("/v1/predict/flight_delay", json=ONE)
        spans = collector.wait(lambda spans: len(spans) == 4)
    assert collector.headers[0]["api-key"] == "secret"
    assert spans[0].resource["service.name"] == "delays"
    assert spans[0].resource["deployment.environment.name"] == "test"


def test_a_server_without_traces_does_not_load_what_sends_them() -> None:
    """Off means off: the exporter is not imported and nothing stands around handler, store, transform or model."""
    code = (
        "import sys\n"
        "from likewise.serving.app import build_app\n"
        "from tests.serving.conftest import SETTINGS\n"
        "from tests.serving.fakes import World, FakePredictor\n"
        "app = build_app(SETTINGS, World().parts())\n"
        "app.state.resident.refresh()\n"
        "release = app.state.resident.find('flight_delay')\n"
        "assert type(release.predictor) is FakePredictor\n"
        "names = [route.endpoint.__qualname__ for route in app.routes if route.path == '/v1/predict/{release}']\n"
        "assert names == ['Edge.around.<locals>.handle'], names\n"
        # redis-py loads parts of the SDK by itself where it is installed; nothing loads what sends.
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.exporter')]\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_missing_packages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces without the extra are an error at the start that names it."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match=r"likewise\[telemetry\]"):
        Telemetry("http://127.0.0.1:1")


def test_the_standard_environment_decides() -> None:
    """OpenTelemetry's own variables switch traces on and off."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
    assert wanted_endpoint({}) is None
    assert wanted_endpoint(endpoint) == "http://c:4318"
    assert wanted_endpoint({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x", **endpoint}) == "http://t/x"
    assert wanted_endpoint({**endpoint, "OTEL_SDK_DISABLED": "true"}) is None
    assert wanted_endpoint({**endpoint, "OTEL_TRACES_EXPORTER": "none"}) is None
