"""A request that asks for another protocol is answered as if it did not ask."""

from collections.abc import Iterator

import pytest

from likewise.serving.app import build_app
from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_http import DirectHttp
from likewise.serving.settings import Limits, ServingSettings
from tests.serving.fakes import World
from tests.serving.raw_requests import BODY, CHUNKED, LOOKUP, ONE, PLAIN, PREDICT, READ, chunked, post
from tests.serving.sockets import listening, talk

SETTINGS = ServingSettings(releases=("flight_delay@prod",), limits=Limits(body_bytes=5_000))
# What Java's HttpClient sends, in its order.
JAVA = (
    "Connection: Upgrade, HTTP2-Settings",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    "Upgrade: h2c",
)
SOCKET = ("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
CLOSING = ("Connection: close, Upgrade", "Upgrade: h2c")
BEHIND_HEAD = -len(BODY)
HEALTH = "\r\n".join(["GET /health HTTP/1.1", "Host: here", "X-Request-Id: mine", *JAVA, "", ""]).encode()
EVERY_BYTE = [bytes([byte]) for byte in post(PREDICT, ONE, *JAVA)]

# name -> the parts that a client sends, and how many answers come back
ASKED: dict[str, tuple[list[bytes], int]] = {
    "Java's": ([post(PREDICT, ONE, *JAVA)], 1),
    "a lookup": ([post(LOOKUP, READ, *JAVA)], 1),
    "by uvicorn's way": ([post("/v1/data/x:predict", ONE, *JAVA), HEALTH], 2),
    "no body": ([HEALTH, post(PREDICT, b"", *JAVA)], 2),
    "a body later": ([post(PREDICT, ONE, *JAVA)[:BEHIND_HEAD], BODY, PLAIN], 2),
    "a body in two": ([post(PREDICT, ONE, *JAVA)[:-9], BODY[-9:], PLAIN], 2),
    "a head cut before its end": ([post(PREDICT, ONE, *JAVA)[: BEHIND_HEAD - 1], b"\n" + BODY, PLAIN], 2),
    "a head cut in the header": ([*post(PREDICT, ONE, *JAVA).partition(b"pgrade: h"), PLAIN], 2),
    "each byte by itself": ([*EVERY_BYTE, PLAIN], 2),
    "chunks": ([post(PREDICT, chunked(BODY[:9], BODY[9:]), *JAVA, CHUNKED, length=False), PLAIN], 2),
    "chunks later": ([post(PREDICT, b"", *JAVA, CHUNKED, length=False), chunked(BODY[:9], BODY[9:]), PLAIN], 2),
    "a pipeline": ([post(PREDICT, ONE, *JAVA) + PLAIN + HEALTH + post(LOOKUP, READ, *JAVA) + PLAIN], 5),
    "behind another": ([PLAIN + post(PREDICT, ONE, *JAVA)[:BEHIND_HEAD], BODY + PLAIN], 3),
    "one after the other": ([post(PREDICT, ONE, *JAVA)] * 3, 3),
    "the last request": ([post(PREDICT, ONE, *CLOSING) + PLAIN], 2),
    "the last request, cut": ([post(PREDICT, ONE, *CLOSING)[:BEHIND_HEAD], BODY], 2),
    "HTTP/1.0": ([post(PREDICT, ONE, *JAVA, version="1.0")], 2),
    "continue": ([post(PREDICT, ONE, *JAVA, "Expect: 100-continue")[:BEHIND_HEAD], BODY, PLAIN], 3),
    "a body over the limit": ([post(PREDICT, b" " * 6_000, *JAVA)], 1),
    "an empty header": ([post(PREDICT, ONE, "X-Empty:", *JAVA, "traceparent:")], 1),
    "a repeated header": ([post(PREDICT, ONE, "Connection: Upgrade", "Connection: x", "Upgrade: h2c")], 1),
    "several protocols": ([post(PREDICT, ONE, "Connection: upgrade", "Upgrade: h2c", "Upgrade: TLS/1.0")], 1),
    "a web socket": ([post(PREDICT, ONE, *SOCKET)[:BEHIND_HEAD], BODY, PLAIN], 2),
    "letters of any size": ([post(PREDICT, ONE, "CONNECTION: UPGRADE", "UPGRADE: H2C")], 1),
    "an address that is none": ([post("http://[", ONE, *JAVA)], 2),
    "a tunnel": ([b"\r\n".join([b"CONNECT here:80 HTTP/1.1", *HEALTH.split(b"\r\n")[1:]])], 2),
    "a fault behind it": ([post(PREDICT, ONE, *JAVA) + b"no request\r\n\r\n"], 2),
}


@pytest.fixture(scope="module", params=[CorkedHttp, DirectHttp])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with listening(build_app(SETTINGS, World().parts()), request.param) as port:
        yield port


def without_upgrade(parts: list[bytes]) -> bytes:
    """Return what a client sends, as one, without the headers `Upgrade` of all its heads."""
    return b"\r\n".join(line for line in b"".join(parts).split(b"\r\n") if not line.lower().startswith(b"upgrade:"))


@pytest.mark.parametrize("name", ASKED)
def test_an_upgrade_changes_nothing(port: int, name: str) -> None:
    """Whatever is asked for and however it is cut, the answers are those to the same requests without `Upgrade`."""
    parts, answers = ASKED[name]
    plain = talk(port, [without_upgrade(parts)], answers)
    assert plain.startswith(b"HTTP/1.1 ")
    assert talk(port, parts, answers, pause_seconds=0.02 if len(parts) < 9 else 0.0002) == plain


def test_a_body_is_left_alone(port: int) -> None:
    """A body that holds the words of a head is a body, whether or not its head asked for an upgrade."""
    names = {"origin": ["JFK"], "dest": ["SFO"], "carrier": ["\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"]}
    told = [talk(port, [post("/v1/predict/flight_delay", {**ONE, "entities": names}, *with_)]) for with_ in ((), JAVA)]
    assert told[0].startswith(b"HTTP/1.1 200 OK")
    assert told[1] == told[0]


def test_a_packet_full_of_upgrades_is_answered(port: int) -> None:
    """However many requests of the kind come at once, each is answered."""
    short = b"GET /health HTTP/1.1\r\nConnection:Upgrade\r\nUpgrade:h2c\r\n\r\n"
    assert talk(port, [short * 1_000], 1_000).count(b"HTTP/1.1 200 OK") == 1_000


@pytest.mark.parametrize("wanted", ["websocket", "WebSocket", "h2c, websocket"])
def test_a_body_is_no_request(port: int, wanted: str) -> None:
    """Nor do web sockets, of which there are none here, make the server take a body for the next client's request."""
    hidden = b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n"
    asked = post("/none", hidden, "Connection: upgrade", f"Upgrade: {wanted}")
    got = talk(port, [asked[: -len(hidden)], hidden, post("/none", b"", "Connection: close")], 3)
    assert got.count(b"HTTP/1.1 404 ") == 2
    assert b"HTTP/1.1 200 " not in got
