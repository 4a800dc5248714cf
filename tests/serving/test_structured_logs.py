import asyncio
import gc
import io
import json
import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.app import build_app
from likewise.serving.redaction import Redactor, redactor_of
from likewise.serving.request_lines import RequestLines
from likewise.serving.settings import LogFormat, LogLines, ServingSettings, Tokens
from likewise.serving.structured_logs import configure_logging
from likewise.serving.tokens import Access
from tests.serving.client import Client, serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World
from tests.serving.test_app import FEATURES, ONE, PUSH

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@contextmanager
def logging_to(format_: LogFormat = "json", redact: Redactor | None = None) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(format_, redact or Redactor(), stream)
    yield stream


def documents(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@contextmanager
def served(world: World, log: LogLines, **changes: Any) -> Iterator[Client]:
    with serving(build_app(replace(SETTINGS, log=log, **changes), world.parts())) as client:
        yield client


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in documents(stream) if line["logger"] == "likewise.requests"]


def test_a_request_is_one_line_with_all_that_is_known_of_it(world: World) -> None:
    """Request id, caller's trace, route, path, status, time, rows, release and transform, as fields."""
    with logging_to() as stream:
        with served(world, LogLines("json")) as client:
            headers = {"x-request-id": "mine-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            answer = client.post("/v1/predict/flight_delay?explain=inputs", json=ONE, headers=headers)
            assert answer.headers["x-request-id"] == "mine-1"
            client.post("/get-online-features", json=FEATURES)
            client.post("/push", json=PUSH)
        first, second, third = lines_of(stream)
    assert first | {"duration_ms": 0, "time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": "likewise.requests",
        "message": first["message"],
        "request_id": "mine-1",
        "trace_id": TRACE,
        "parent_span_id": "00f067aa0ba902b7",
        "method": "POST",
        "route": "/v1/predict/{release}",
        "path": "/v1/predict/flight_delay",
        "status": 200,
        "duration_ms": 0,
        "rows": 1,
        "release": "flight_delay:1",
        "transform": answer.headers["x-likewise-transform"],
    }
    assert 0 < first["duration_ms"] < 60_000
    assert (second["route"], second["rows"]) == ("/get-online-features", 4)
    assert (third["route"], third["rows"]) == ("/push", 1)


def test_probes_and_scrapes_have_no_lines(world: World) -> None:
    """What asks every second would drown the rest."""
    with logging_to() as stream:
        with served(world, LogLines("json")) as client:
            for path in ("/health/live", "/health/ready", "/metrics", "/v2/health/ready"):
                client.get(path)
        assert lines_of(stream) == []


def test_errors_are_told_without_the_callers_values(world: World) -> None:
    """A caller's mistake is named by its kind; a fault of the server with its detail, as an error."""
    with logging_to() as stream:
        with served(world, LogLines("json")) as client:
            client.post("/v1/predict/flight_delay", json={**ONE, "entities": {"carrier": [["private"]]}})
            world.store.is_down = True
            client.post("/v1/predict/flight_delay", json=ONE)
        wrong, down = lines_of(stream)
    assert (wrong["status"], wrong["level"], wrong["problem"]) == (422, "INFO", "MissingKeyError")
    assert "problem_detail" not in wrong
    assert "private" not in json.dumps(wrong)
    assert (down["status"], down["level"], down["problem"]) == (503, "ERROR", "StoreUnavailableError")
    assert "does not answer" in down["problem_detail"]


def test_a_fault_has_its_traceback_as_a_field(world: World) -> None:
    """An error nobody expected is one line with type, message, traceback, request id and route."""

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("by\nnought")

    world.source.load = lambda name, version: broken(load(name, version), fail)  # type: ignore[method-assign]
    load = type(world.source).load.__get__(world.source)
    with logging_to() as stream:
        with served(world, LogLines("json", share=0.0)) as client:
            answer = client.post("/v1/predict/flight_delay", json=ONE, headers={"x-request-id": "bad"})
            assert answer.status_code == 500
        found = [line for line in documents(stream) if "error_type" in line]
        (line,) = lines_of(stream)
    assert len(found) == 1
    assert found[0]["error_type"] == "ZeroDivisionError"
    assert found[0]["error_message"] == "by\nnought"
    assert found[0]["error_traceback"].startswith("Traceback")
    assert (found[0]["request_id"], found[0]["route"]) == ("bad", "/v1/predict/{release}")
    assert (line["status"], line["request_id"]) == (500, "bad")


def broken(release: Any, fail: Any) -> Any:
    release.transform.apply_columns = fail
    return release


def test_hot_paths_are_sampled_and_slow_requests_always_told(world: World) -> None:
    """With a share of 0 only slow requests and faults get a line; with none asked for nothing is put in the way."""
    with logging_to() as stream:
        with served(world, LogLines("json", share=0.0, slow_ms=150.0)) as client:
            for delay in (0.0, 0.2, 0.0):
                world.store.delay_seconds = delay
                client.post("/v1/predict/flight_delay", json=ONE)
        (line,) = lines_of(stream)
    assert line["duration_ms"] >= 150
    assert not LogLines("text").is_told_of_requests
    with logging_to("text") as stream:
        with served(world, LogLines("text")) as client:
            client.post("/v1/predict/flight_delay", json=ONE)
        assert "likewise.requests" not in stream.getvalue()


def test_a_share_is_a_share(world: World) -> None:
    """Of 400 requests at a share of a quarter between 50 and 150 get a line (chance of less than 1e-8 to fail)."""
    with logging_to() as stream:
        with served(world, LogLines("json", share=0.25)) as client:
            for _ in range(400):
                client.get("/v1/predict/flight_delay/contract")
        assert 50 < len(lines_of(stream)) < 150


def test_a_log_nobody_reads_costs_lines_not_requests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the log's reader stands still, requests go on, memory is bounded, and lost lines are counted."""
    monkeypatch.setattr("likewise.serving.request_lines.LINES_WAITING", 5)
    lost: list[int] = []
    lines = RequestLines(LogLines("json"), lambda: lost.append(1))
    lines.close(10)  # its thread is gone: as if it stood still
    for _ in range(12):
        lines._offer(None)  # type: ignore[arg-type]
    assert len(lost) == 7


def test_a_line_that_waits_keeps_no_answer() -> None:
    """Answers may have megabytes: thousands of lines that wait for the log's reader hold none of them."""
    lines, made = RequestLines(LogLines("json"), lambda: None), list["weakref.ref[Response]"]()
    lines.close(10)

    async def handle(_: Request) -> Response:
        response = Response(b"x" * 1_000)
        made.append(weakref.ref(response))
        return response

    asyncio.run(lines.around("/x", handle)(Request({"type": "http", "headers": []})))  # type: ignore[arg-type]
    gc.collect()
    assert len(lines._waiting) == 1
    assert made[0]() is None


def test_lines_for_people_name_the_request(world: World) -> None:
    """With `text` a line ends with release, rows and request id; a line end in a path forges no line."""
    with logging_to("text") as stream:
        with served(world, LogLines("text", share=1.0)) as client:
            client.post("/v1/predict/flight_delay", json=ONE, headers={"x-request-id": "me"})
            client.post("/v1/predict/x%0A2026%20forged", json=ONE)
        told = [line for line in stream.getvalue().splitlines() if "likewise.requests" in line]
    assert told[0].endswith("release=flight_delay:1 rows=1 request_id=me")
    assert "x%0A2026%20forged" in told[1]
    assert not any(line.startswith("2026 forged") for line in stream.getvalue().splitlines())


def test_what_no_route_takes_is_told_and_counted_as_one_route(world: World) -> None:
    """Unknown paths and methods get lines, counts and times under one name, however many there are; ids as ever."""
    with logging_to() as stream:
        with served(world, LogLines("json")) as client:
            for at in range(20):
                answer = client.get(f"/admin/{at}.php", headers={"x-request-id": f"id-{at}"})
                assert (answer.status_code, answer.headers.get_list("x-request-id")) == (404, [f"id-{at}"])
            refused = client.get("/v1/predict/flight_delay")
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
            text = client.get("/metrics").text
        lines = lines_of(stream)
    assert [line["route"] for line in lines] == ["other"] * 21
    assert (lines[0]["path"], lines[0]["status"], lines[0]["request_id"]) == ("/admin/0.php", 404, "id-0")
    assert (lines[0]["problem"], lines[-1]["problem"]) == ("not found", "method not allowed")
    assert 'likewise_requests_total{route="other",status="404"} 20.0' in text
    assert 'likewise_requests_total{route="other",status="405"} 1.0' in text
    assert 'likewise_request_seconds_count{route="other"} 21.0' in text
    assert "php" not in text


SECRETS = (
    "w-hunter2-token",
    "r-hunter2-token",
    'pass"word@hunter2/x',
    "hunter2-redis",
    "hunter2-header",
    "from-hunter2-file",
)


@pytest.mark.parametrize("format_", ["json", "text"])
def test_no_secret_comes_into_the_log(format_: LogFormat, tmp_path: Path) -> None:
    """Tokens, passwords in URLs and exporters' headers are hidden wherever they stand, however written."""
    (tmp_path / "tokens").write_text("# rotated in May\nfrom-hunter2-file\n")
    settings = ServingSettings(
        registry="postgresql://me:pass%22word%40hunter2%2Fx@db:5432/likewise",
        tokens=Tokens(write=(SECRETS[0],), read=(SECRETS[1],), write_file=tmp_path / "tokens"),
    )
    environ = {"REDIS_URL": "rediss://:hunter2-redis@r:6380/0", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2-header"}
    with logging_to(format_, redactor_of(settings, environ)) as stream:
        log = logging.getLogger("some.library")
        for secret in (*SECRETS, settings.registry, *environ.values()):
            log.warning("can't use %s", secret)
            log.warning("here", extra={"what": secret, "deep": {"inner": [secret]}})
            try:
                raise ValueError(secret)
            except ValueError:
                log.exception("it failed")
        log.warning("Authorization: Bearer hunter2unknown; redis://:hunter2unknown@h:1/0 password=hunter2unknown")
        text = stream.getvalue()
    assert "hunter2" not in text
    assert "Traceback" in text
    if format_ == "json":
        assert len(documents(stream)) == len(text.splitlines())


def test_tokens_that_come_with_a_reload_are_hidden(tmp_path: Path) -> None:
    """A token added to its file is hidden from the reload on; the one that it replaced stays hidden."""
    file = tmp_path / "tokens"
    file.write_text("first-hunter2-token\n")
    settings = ServingSettings(tokens=Tokens(read_file=file))
    redact = redactor_of(settings, {})
    access = Access(settings)
    access.watch_tokens(redact.learn)
    file.write_text("second-hunter2-token\n")
    access.reload()
    with logging_to("json", redact) as stream:
        logging.getLogger("x").warning("first-hunter2-token second-hunter2-token")
    assert documents(stream)[0]["message"] == "*** ***"


def test_a_worker_hides_tokens_newer_than_its_parent(tmp_path: Path) -> None:
    """A worker forked later reads other files of tokens than its parent did; these are hidden too."""
    file = tmp_path / "tokens"
    file.write_text("first-hunter2-token\n")
    settings = ServingSettings(tokens=Tokens(read_file=file))
    redact = redactor_of(settings, {})
    file.write_text("second-hunter2-token\n")
    Access(settings).watch_tokens(redact.learn)
    assert redact("first-hunter2-token second-hunter2-token") == "*** ***"


def test_addresses_without_secrets_stay_readable() -> None:
    """Hiding takes no more than the secret."""
    told = "Likewise serves flight_delay@prod on http://127.0.0.1:8000 (try http://127.0.0.1:8000/v1/models/a@prod)"
    assert Redactor(["abcd"])(told) == told


def test_every_logger_speaks_the_same_format() -> None:
    """Uvicorn's lines, warnings of Python and lines with odd values are JSON too, one object a line."""
    with logging_to() as stream:
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        logging.getLogger("x").error("two\nlines", extra={"odd": object(), 3: {1, 2}})  # type: ignore[dict-item]
        found = documents(stream)
    assert [line["message"] for line in found] == ["Invalid HTTP request received.", "two\nlines"]
    assert found[0]["logger"] == "uvicorn.error"
