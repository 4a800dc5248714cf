import socket
import threading
import time

from likewise.stores.loopback_ports import free_port


def taken() -> socket.socket:
    """Return a socket that listens on a port."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()
    return held


def test_a_port_that_gets_free_soon_is_kept() -> None:
    """Clients know the old port: while its last owner is on the way out, it is waited for."""
    held = taken()
    port = held.getsockname()[1]
    threading.Timer(0.2, held.close).start()
    assert free_port(port) == port


def test_a_port_of_somebody_else_is_left_to_him() -> None:
    """After a second another port is taken."""
    with taken() as held:
        started = time.monotonic()
        assert free_port(held.getsockname()[1]) != held.getsockname()[1]
        assert time.monotonic() - started >= 1
