"""An app behind a real socket, in a thread of this process; bytes in, bytes out."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

PAUSE_SECONDS = 0.02


@contextmanager
def listening(app: FastAPI, protocol: type[Any], **settings: Any) -> Iterator[int]:
    """Serve an app by a protocol of uvicorn's for the length of a `with`; yield the port."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        server_header=False,
        date_header=False,
        **{"access_log": False, "timeout_graceful_shutdown": 5, **settings},
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.005)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


def talk(port: int, parts: Sequence[bytes], answers: int = 1, pause_seconds: float = PAUSE_SECONDS) -> bytes:
    """Return all bytes that a connection gives for some parts, sent apart.

    Parameters
    ----------
    answers
        So many answers (with 1xx ones) are read, or as many as come until the server closes.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at, part in enumerate(parts):
            if at:
                time.sleep(pause_seconds)
            connection.sendall(part)
        got, left = b"", answers
        while left:
            more = connection.recv(65_536)
            if not more:
                return got + b"<closed>"
            got += more
            left = answers - count_answers(got)
        return got


def count_answers(got: bytes) -> int:
    """Return how many whole answers some bytes hold."""
    count = 0
    while b"\r\n\r\n" in got:
        head, _, rest = got.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) < length:
            break
        got, count = rest[length:], count + 1
    return count
