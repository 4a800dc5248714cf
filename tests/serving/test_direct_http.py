"""The short way of chosen routes changes how fast an answer comes, never a byte of it.

Every kind of request is sent to two servers of the same app: one answers by uvicorn's way alone, one by ours.
"""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving import direct_http
from likewise.serving.app import build_app
from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_app import DirectApp
from likewise.serving.direct_http import DirectHttp
from likewise.serving.edge import DirectRoute
from likewise.serving.json_answer import JsonAnswer
from likewise.serving.settings import Limits, ServingSettings, Tokens
from tests.serving.fakes import World
from tests.serving.raw_requests import ASKED, BODY, CHUNKED, HEAD_END, LOOKUP, ONE, PLAIN, PREDICT, chunked, post
from tests.serving.sockets import count_answers, listening, talk

SETTINGS = ServingSettings(releases=("flight_delay@prod",), limits=Limits(body_bytes=5_000))


class Both:
    """Two servers of one world: uvicorn's way and ours."""

    def __init__(self, theirs: int, ours: int) -> None:
        self.theirs, self.ours = theirs, ours


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    world = World()
    with (
        listening(build_app(SETTINGS, world.parts()), CorkedHttp) as theirs,
        listening(build_app(SETTINGS, World().parts()), DirectHttp) as ours,
    ):
        yield Both(theirs, ours)


def told(got: bytes) -> bytes:
    """Return an answer without what differs from one to the next: ids that the server drew."""
    return re.sub(rb"(x-request-id: |urn:likewise:request:)[0-9a-f]{16}", rb"\1drawn", got)


def counted(port: int) -> dict[Any, float]:
    """Return the answers that a server counted, by route and status, and rows by route."""
    text = talk(port, [b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"], 2).partition(b"\r\n\r\n")[
        2
    ]
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.removesuffix(b"<closed>").decode())
        for sample in family.samples
        if sample.name in ("likewise_requests_total", "likewise_rows_total", "likewise_request_seconds_count")
    }


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_is_uvicorns_byte_for_byte(both: Both, name: str) -> None:
    """Whatever is asked and however it is cut, both servers give the same bytes, and close or stay alike."""
    parts, answers = ASKED[name]
    theirs, ours = (told(talk(port, parts, answers)) for port in (both.theirs, both.ours))
    assert theirs.startswith(b"HTTP/1.1 ")
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name, (parts, _) in ASKED.items() if len(parts) > 1])
def test_the_same_with_parts_close_together(both: Both, name: str) -> None:
    """Nor does it matter whether the parts of a request come together or nearly so."""
    parts, answers = ASKED[name]
    theirs, ours = (told(talk(port, parts, answers, 0.0005)) for port in (both.theirs, both.ours))
    assert ours == theirs


def test_both_ways_count_alike() -> None:
    """After the same requests, among them some that clients left, metrics say the same of both servers."""
    with (
        listening(build_app(SETTINGS, World().parts()), CorkedHttp) as theirs,
        listening(build_app(SETTINGS, World().parts()), DirectHttp) as ours,
    ):
        for port in (theirs, ours):
            for name in ("a prediction", "a lookup", "no JSON", "no such release", "a pipeline", "chunks"):
                talk(port, *ASKED[name])
            for left in (PLAIN[: HEAD_END + 9], post(PREDICT, chunked(BODY[:9], end=b"zz\r\n"), CHUNKED, length=False)):
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(left)
                    time.sleep(0.05)
            time.sleep(0.2)
        counts = counted(ours)
        assert counts == counted(theirs)
    assert counts["likewise_requests_total", ("route", "/v1/predict/{release}"), ("status", "499")] == 2
    assert counts["likewise_rows_total", ("route", LOOKUP)] == 2


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_a_client_that_reads_late_gets_every_answer(protocol: type[Any]) -> None:
    """Answers of megabytes that nobody reads for a while wait for their reader, and come whole and in order."""
    sizes = [30_000, 3_000_000, 100, 2_000_000, 70_000]
    app = scratch(lambda request: JsonAnswer(b"x" * int(request.headers["x-size"])))
    with listening(app, protocol) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"".join(post("/scratch", b"{}", f"X-Size: {size}") for size in sizes))
        time.sleep(0.2)
        got = b""
        while count_answers(got) < len(sizes):
            got += connection.recv(1_000_000)
        assert [len(part) for part in re.findall(rb"x{99,}", got)] == sizes
        connection.sendall(post("/scratch", b"{}", "X-Size: 5"))
        assert connection.recv(1_000).endswith(b"xxxxx")


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_answers_that_nobody_reads_are_not_made_without_end(protocol: type[Any]) -> None:
    """A client that asks and asks but reads nothing is not served beyond what its connection holds."""
    served: list[Request] = []

    def answer(request: Request) -> Response:
        served.append(request)
        return JsonAnswer(b"x" * 300_000)

    with listening(scratch(answer), protocol) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        connection.connect(("127.0.0.1", port))
        for _ in range(50):
            connection.sendall(post("/scratch", b"{}"))
            time.sleep(0.02)  # each by itself: behind another it would wait in the pipeline
        assert 0 < len(served) < 40


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_headers_of_the_server_are_in_every_answer(protocol: type[Any]) -> None:
    """What uvicorn is told to send with every answer (a server that ends sends `connection: close`) is sent."""
    with listening(scratch(lambda _: JsonAnswer(b"{}")), protocol, headers=[("connection", "close")]) as port:
        assert talk(port, [post("/scratch", b"{}")], 2).startswith(b"HTTP/1.1 200 OK\r\nconnection: close\r\n")


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_a_handler_that_fails_is_uvicorns_500(protocol: type[Any]) -> None:
    """An error that passes the edge is answered 500 on a connection that closes; the next one works."""

    def answer(request: Request) -> Response:
        if "x-bad" in request.headers:
            raise ValueError("a fault")
        return JsonAnswer(b"{}")

    with listening(scratch(answer), protocol) as port:
        got = talk(port, [post("/scratch", b"{}", "X-Bad: 1")], 2)
        assert got.startswith(b"HTTP/1.1 500 ")
        assert b"connection: close" in got
        assert got.endswith(b"Internal Server Error<closed>")
        assert talk(port, [post("/scratch", b"{}")]).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
@pytest.mark.parametrize("value", [b"a\r\nx-forged: 1", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_can_not_forge_another(protocol: type[Any], value: bytes) -> None:
    """A header's value with a line end or a null in it is never sent."""
    with listening(scratch(lambda _: JsonAnswer(b"{}", [(b"x-name", value)])), protocol) as port:
        got = talk(port, [post("/scratch", b"{}")], 2)
    assert b"x-name" not in got
    assert b"forged" not in got


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_a_server_that_ends_answers_what_is_under_way(protocol: type[Any]) -> None:
    """A request under way when the server is told to end is answered, and its connection is closed behind it."""
    world = World()
    world.store.delay_seconds = 0.5
    with listening(build_app(SETTINGS, world.parts()), protocol) as port:
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        connection.sendall(PLAIN)
        time.sleep(0.1)
        ends = time.monotonic()
    assert time.monotonic() - ends < 3, "it waited for nothing else"
    with connection:
        got = connection.recv(65_536)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close" in got
        assert connection.recv(1) == b""


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_a_client_that_leaves_is_no_fault(protocol: type[Any], caplog: pytest.LogCaptureFixture) -> None:
    """A client gone before its answer costs nothing but the work: no error is logged, the next one is answered."""
    world = World()
    world.store.delay_seconds = 0.1
    with listening(build_app(SETTINGS, world.parts()), protocol) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(PLAIN)
            time.sleep(0.03)
        time.sleep(0.2)
        assert talk(port, [PLAIN]).startswith(b"HTTP/1.1 200 OK\r\n")
    assert not [record for record in caplog.records if record.levelname != "INFO"]


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_reads_stay_guarded(protocol: type[Any]) -> None:
    """Where read tokens are set, the short way asks for one too."""
    settings = ServingSettings(releases=("flight_delay@prod",), tokens=Tokens(read=("let-me",)))
    with listening(build_app(settings, World().parts()), protocol) as port:
        assert talk(port, [PLAIN]).startswith(b"HTTP/1.1 401 ")
        assert talk(port, [post(PREDICT, ONE, "Authorization: Bearer let-me")]).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have connections wait for the rest of a body for longer than a test takes."""
    monkeypatch.setattr(direct_http, "PATIENCE_SECONDS", 30)


@pytest.mark.usefixtures("patient")
def test_who_waits_for_a_body_answers_when_the_server_ends() -> None:
    """A request whose body is still awaited is not lost when the server is told to end."""
    with socket.socket() as connection:
        later = threading.Timer(0.3, connection.sendall, [PLAIN[HEAD_END:]])
        with listening(build_app(SETTINGS, World().parts()), DirectHttp) as port:
            connection.settimeout(5)
            connection.connect(("127.0.0.1", port))
            connection.sendall(PLAIN[:HEAD_END])
            time.sleep(0.1)
            later.start()
        later.join()
        got = connection.recv(65_536)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in got


@pytest.mark.usefixtures("patient")
def test_a_body_that_never_comes_is_told_as_such() -> None:
    """A client that leaves before its body is whole counts as 499, once, also while the body is awaited."""
    with listening(build_app(SETTINGS, World().parts()), DirectHttp) as port:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(PLAIN[:-1])
            time.sleep(0.05)
        time.sleep(0.1)
        counts = counted(port)
    assert counts["likewise_requests_total", ("route", "/v1/predict/{release}"), ("status", "499")] == 1


@pytest.mark.usefixtures("patient")
def test_a_large_body_is_not_awaited() -> None:
    """A body of more than a few packets goes uvicorn's way at once: there its limit is known."""
    with listening(build_app(SETTINGS, World().parts()), DirectHttp) as port:
        assert talk(port, [post(PREDICT, b" " * 900_000)[:300_000]]).startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("patient")
def test_nearly_all_requests_go_the_short_way() -> None:
    """A request reaches its handler without uvicorn's ASGI messages, also when its body comes behind its head."""
    app = scratch(lambda _: JsonAnswer(b"{}"))
    called: list[Any] = []

    async def noted(scope: Any, *rest: Any) -> None:
        called.append(scope)
        await DirectApp.__call__(app, scope, *rest)

    plain = post("/scratch", b"{}")
    with listening(app, DirectHttp) as port:
        app.__class__ = type("Noted", (DirectApp,), {"__call__": lambda _, *asked: noted(*asked)})
        assert talk(port, [plain]).endswith(b"{}")
        assert not called
        assert talk(port, [plain[:-2], plain[-2:-1], plain[-1:], plain], 2).endswith(b"{}")
        assert not called
        assert talk(port, [post("/scratch", b"{}", "Connection: close")], 2).endswith(b"{}<closed>")
        assert [scope["path"] for scope in called] == ["/scratch"]


def test_bodies_are_not_kept_with_their_requests() -> None:
    """A request that is answered holds its body no more: thousands may wait for their line of the log."""
    kept: list[Request] = []

    def answer(request: Request) -> Response:
        kept.append(request)
        return JsonAnswer(request.scope["likewise.body"])

    with listening(scratch(answer), DirectHttp) as port:
        assert talk(port, [post("/scratch", b"x" * 9_000)]).endswith(b"x" * 9_000)
    assert kept[0].scope["likewise.body"] == b""
    assert asyncio.run(kept[0].receive())["body"] == b""


def test_strange_addresses_are_not_kept() -> None:
    """However many addresses of a chosen route are asked for, few and short ones are remembered."""
    app = scratch(lambda _: JsonAnswer(b"{}"))
    for at in range(2_000):
        assert app.find(f"/scratch/{at}".encode()) is not None
        assert app.find(f"/scratch/{'long' * 100}{at}".encode()) is not None
        assert app.find(f"/other/{at}".encode()) is None
    assert sum(map(len, app._known)) < 100_000


def scratch(answer: Any) -> DirectApp:
    """Return an app with chosen routes `/scratch` and `/scratch/{name}` that answer as told."""

    async def handle(request: Request) -> Response:
        await asyncio.sleep(0)
        response: Response = answer(request)
        return response

    router = APIRouter(route_class=DirectRoute)
    for path in ("/scratch", "/scratch/{name}"):
        router.add_api_route(path, handle, methods=["POST"])
    app = DirectApp()
    app.router.routes.extend(router.routes)
    app.choose(["/scratch", "/scratch/{name}"])
    return app
