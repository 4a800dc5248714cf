"""Requests as bytes, whole and cut, right and wrong: what a server may be sent."""

import gzip
import json
from typing import Any

ONE = {"entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}, "request": {"distance": [100.5]}}
READ = {"feature_service": "flight_delay_v1", "entities": {**ONE["entities"], "distance": [1]}}


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
