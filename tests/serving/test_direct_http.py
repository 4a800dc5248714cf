"""The short way of chosen routes changes how fast an answer comes, never a byte of it.

Every kind of request is sent to two servers of the same app: one answers by uvicorn's way alone, one by ours.
"""

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.app import build_app
from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_app import DirectApp
from likewise.serving.direct_http import DirectHttp
from likewise.serving.edge import DirectRoute
from likewise.serving.json_answer import JsonAnswer
from likewise.serving.settings import Limits, ServingSettings, Tokens
from tests.serving.fakes import World
from tests.serving.sockets import count_answers, listening, talk

ONE = {"entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}, "request": {"distance": [100.5]}}
READ = {"feature_service": "flight_delay_v1", "entities": {**ONE["entities"], "distance": [1]}}
SETTINGS = ServingSettings(releases=("flight_delay@prod",), limits=Limits(body_bytes=5_000))


def post(path: str, body: Any, *headers: str, version: str = "1.1", length: bool = True) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/{version}", "Host: here", "X-Request-Id: mine", *headers]
    lines += [f"Content-Length: {len(content)}"] if length else []
    return "\r\n".join([*lines, "", ""]).encode() + content


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


PREDICT, LOOKUP = "/v1/predict/flight_delay", "/get-online-features"
PLAIN, LOOK = post(PREDICT, ONE), post(LOOKUP, READ)
HEAD_END = PLAIN.index(b"\r\n\r\n") + 4
CHUNKED = "Transfer-Encoding: chunked"
BODY = json.dumps(ONE).encode()

# name -> the parts that a client sends, and how many answers come back
ASKED: dict[str, tuple[list[bytes], int]] = {
    "a prediction": ([PLAIN], 1),
    "a lookup": ([LOOK], 1),
    "vectors": ([post("/v1/vectors/flight_delay", ONE)], 1),
    "a query": ([post(f"{PREDICT}?explain=inputs", ONE)], 1),
    "a wrong query": ([post(f"{PREDICT}?explain=outputs", ONE)], 1),
    "an empty query": ([post(f"{PREDICT}?", ONE)], 1),
    "an escaped name": ([post("/v1/predict/flight%5fdelay%40prod", ONE)], 1),
    "an escaped slash": ([post("/v1/predict%2fflight_delay", ONE)], 1),
    "a whole address": ([post(f"http://here{PREDICT}", ONE)], 1),
    "no such release": ([post("/v1/predict/none", ONE)], 1),
    "no name": ([post("/v1/predict/", ONE)], 1),
    "a slash too many": ([post(f"{PREDICT}/", ONE)], 1),
    "a path below": ([post(f"{PREDICT}/contract", ONE)], 1),
    "no such path": ([post("/none", ONE)], 1),
    "another method": ([PLAIN.replace(b"POST", b"PUT", 1)], 1),
    "GET": ([f"GET {LOOKUP} HTTP/1.1\r\nHost: here\r\n\r\n".encode()], 1),
    "OPTIONS": ([f"OPTIONS {PREDICT} HTTP/1.1\r\nHost: here\r\n\r\n".encode()], 1),
    "no body": ([post(PREDICT, b"")], 1),
    "no length": ([post(PREDICT, b"", length=False)], 1),
    "no JSON": ([post(PREDICT, b"{")], 1),
    "no object": ([post(PREDICT, [])], 1),
    "a field too many": ([post(PREDICT, {**ONE, "more": {}})], 1),
    "compressed": ([post(PREDICT, gzip.compress(BODY, mtime=0), "Content-Encoding: gzip")], 1),
    "a body over the limit": ([post(PREDICT, b" " * 6_000)], 1),
    "a body over the limit that never comes": ([post(PREDICT, b" " * 6_000)[:500]], 1),
    "a body far over the limit": ([post(PREDICT, b" " * 300_000)], 1),
    "chunks over the limit": ([post(PREDICT, chunked(b" " * 6_000), CHUNKED, length=False)], 1),
    "head and body apart": ([PLAIN[:HEAD_END], PLAIN[HEAD_END:]], 1),
    "a body in two": ([PLAIN[: HEAD_END + 9], PLAIN[HEAD_END + 9 :]], 1),
    "a head in two": ([PLAIN[:19], PLAIN[19:]], 1),
    "byte by byte, nearly": ([PLAIN[at : at + 25] for at in range(0, len(PLAIN), 25)], 1),
    "chunks": ([post(PREDICT, chunked(BODY[:9], BODY[9:]), CHUNKED, length=False)], 1),
    "chunks apart": ([post(PREDICT, chunked(BODY[:9], end=b""), CHUNKED, length=False), chunked(BODY[9:])], 1),
    "a trailer": ([post(PREDICT, chunked(BODY, end=b"0\r\nX-End: 1\r\n\r\n"), CHUNKED, length=False)], 1),
    "a chunk that is none": ([post(PREDICT, chunked(BODY[:9], end=b"zz\r\n"), CHUNKED, length=False)], 1),
    "a chunk that is none, late": ([post(PREDICT, chunked(BODY[:9], end=b""), CHUNKED, length=False), b"zz\r\n"], 1),
    "continue, asked with the body": ([post(PREDICT, ONE, "Expect: 100-continue")], 2),
    "continue, awaited": ([post(PREDICT, ONE, "Expect: 100-continue")[: -len(BODY)], BODY], 2),
    "continue, too large": ([post(PREDICT, b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 9000")], 1),
    "the last request": ([post(PREDICT, ONE, "Connection: close")], 2),
    "HTTP/1.0": ([post(PREDICT, ONE, version="1.0")], 2),
    "HTTP/1.0 that would stay": ([post(PREDICT, ONE, "Connection: keep-alive", version="1.0")], 2),
    "an upgrade": ([post(PREDICT, ONE, "Connection: upgrade", "Upgrade: h2c")], 1),
    "a socket of the web": ([post(PREDICT, ONE, "Connection: upgrade", "Upgrade: websocket")], 1),
    "one after the other": ([PLAIN, LOOK, PLAIN], 3),
    "a pipeline": ([PLAIN + LOOK + PLAIN], 3),
    "a pipeline with others": ([LOOK + b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n" + PLAIN + post("/none", ONE)], 4),
    "a pipeline that breaks off": ([PLAIN + PLAIN[:60], PLAIN[60:]], 2),
    "a pipeline with a last one": ([PLAIN + post(LOOKUP, READ, "Connection: close") + PLAIN], 3),
    "a pipeline behind a fault": ([PLAIN + b"no request\r\n\r\n"], 2),
    "two lengths": ([post(PREDICT, ONE, "Content-Length: 3")], 2),
    "length and chunks": ([post(PREDICT, chunked(BODY), CHUNKED)], 2),
    "an encoding that is none": ([post(PREDICT, BODY, "Transfer-Encoding: chunky", length=False)], 2),
    "a length that is none": ([post(PREDICT, BODY, "Content-Length: +5", length=False)], 2),
    "a header that is none": ([post(PREDICT, ONE, "Bad Header")], 2),
    "a null in a header": ([post(PREDICT, ONE, "X-Bad: a\0b")], 2),
    "a folded header": ([post(PREDICT, ONE, "X-Long: a\r\n b")], 2),
    "a line that is none": ([b"POST  HTTP/1.1\r\n\r\n"], 2),
    "no host": ([PLAIN.replace(b"Host: here\r\n", b"")], 1),
    "more than its length": ([PLAIN + b"{}"], 2),
    "a long header": ([post(PREDICT, ONE, f"X-Long: {'a' * 70_000}")], 1),
    "through a proxy": ([post(PREDICT, ONE, "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https")], 1),
    "an id that is none": ([post(PREDICT, ONE).replace(b"mine", b"\xe4\xf6")], 1),
    "a long id": ([post(PREDICT, ONE).replace(b"mine", b"m" * 129)], 1),
    "no id": ([post(PREDICT, ONE).replace(b"X-Request-Id", b"X-Other")], 1),
    "a trace": ([post(PREDICT, ONE, f"traceparent: 00-{'1' * 32}-{'2' * 16}-01")], 1),
}


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


def test_nearly_all_requests_go_the_short_way() -> None:
    """A plain request reaches its handler without uvicorn's ASGI messages; one that comes in parts does not."""
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
        assert talk(port, [plain[:-1], plain[-1:]]).endswith(b"{}")
        assert [scope["path"] for scope in called] == ["/scratch"]


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
