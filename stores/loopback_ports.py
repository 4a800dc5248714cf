"""Free TCP ports of the loopback."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Final

# A server that was killed has given up its lock a moment before its socket.
PATIENCE_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.01


def free_port(wanted: int) -> int:
    """Return the port that is wanted if it is, or soon gets, free; else any free one.

    Raises
    ------
    OSError
        There is none.
    """
    deadline = time.monotonic() + (PATIENCE_SECONDS if wanted else 0)
    while not _is_free(wanted) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for port in (wanted, 0):
        with contextlib.suppress(OSError), _bound(port) as probe:
            return int(probe.getsockname()[1])
    raise OSError("no free TCP port on 127.0.0.1")


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), _bound(port):
        return True
    return False


@contextlib.contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        yield probe
