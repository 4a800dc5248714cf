"""Serving, side by side in one run: our endpoints, an empty endpoint of the same server, and `feast serve`.

    python benchmarks/serving.py [--seconds 3] [--workers 1] [--feast]

Closed loop over a few connections; the client runs on the same two cores, so ratios say more than figures.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _closed_loop import Load, Measured, measure

from likewise.stores.embedded import attach, stop

CONNECTIONS = 8
EMPTY = """
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({{"type": "http.response.start", "status": 200, "headers": head}})
    await send({{"type": "http.response.body", "body": b"{{}}"}})
uvicorn.run(app, port={port}, loop="uvloop", http="httptools", access_log=False, log_level="error", lifespan="off")
"""
OURS = """
from pathlib import Path
from likewise.serving.run import run
from likewise.serving.settings import ServingSettings
if __name__ == "__main__":
    place = {{"repo": Path({repo!r}), "registry": {url!r}, "port": {port}, "workers": {workers}}}
    run(ServingSettings(releases=("bench@prod",), **place))
"""
MAKE = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from _serving_project import make_repository, publish_release
repository = make_repository(Path({repo!r}), {online!r})
if {url!r}:
    publish_release(repository, {url!r})
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(code: str, folder: Path) -> list[str]:
    """Return a command that runs code from a file (workers are spawned, so they must find it)."""
    path = folder / f"run_{abs(hash(code))}.py"
    path.write_text(code)
    return [sys.executable, "-W", "ignore", str(path)]


@contextlib.contextmanager
def running(command: list[str], port: int, path: str) -> Iterator[int]:
    """Run a server until the end of the block, once it answers; yield its process id."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        while not answers(port, path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command} did not start")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(port: int, path: str) -> bool:
    """Whether a server answers 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def feature_loads(name: str, port: int) -> list[Load]:
    """Return the loads of `/get-online-features`: rows x features."""
    loads = []
    for rows, features in ((1, 50), (100, 50), (1, 250), (100, 250)):
        body = {"feature_service": f"wide_{features}", "entities": {"user_id": list(range(rows))}}
        loads.append(Load(f"{name} {rows} x {features}", port, "/get-online-features", json.dumps(body).encode()))
    return loads


def predict_loads(port: int) -> list[Load]:
    """Return the loads of `/v1/predict`: 60 features, and the bare lookup of the same row."""
    loads = []
    for rows in (1, 100):
        body = json.dumps({"entities": {"user_id": list(range(rows))}}).encode()
        lookup = json.dumps({"feature_service": "wide_60", "entities": {"user_id": list(range(rows))}}).encode()
        loads.append(Load(f"lookup {rows} x 60", port, "/get-online-features", lookup))
        loads.append(Load(f"predict {rows} x 60", port, "/v1/predict/bench", body))
    return loads


def show(measured: Measured) -> None:
    """Print one line of the table."""
    print(
        f"{measured.name:<24}{measured.requests_per_second:>10.0f}/s  p50 {measured.p50_ms:7.3f} ms"
        f"  p99 {measured.p99_ms:7.3f} ms  errors {measured.errors}",
        flush=True,
    )


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run the benchmark and print its table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--feast", action="store_true", help="also measure `feast serve` on the stock Redis store")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run_in(Path(name), chosen)


def run_in(folder: Path, chosen: argparse.Namespace) -> None:
    """Make the project in a folder, then measure everything."""
    server = attach(folder / "redis")
    results: dict[str, Measured] = {}
    try:
        host = server.url.removeprefix("redis://").partition("/")[0]
        ours, url = folder / "ours", f"sqlite:///{folder}/likewise.db"
        online = f"  type: likewise.stores.packed_redis.PackedRedisOnlineStore\n  connection_string: {server.url}"
        make(folder, ours, online, url)
        port = free_port()
        with running(python(EMPTY.format(port=port), folder), port, "/"):
            keep(results, measure(Load("empty endpoint", port, "/", b"{}"), CONNECTIONS, chosen.seconds))
        port = free_port()
        code = OURS.format(repo=str(ours), url=url, port=port, workers=chosen.workers)
        with running(python(code, folder), port, "/health/ready") as pid:
            for load in [*predict_loads(port), *feature_loads("ours", port)]:
                keep(results, measure(load, CONNECTIONS, chosen.seconds))
            print(f"resident memory of the (first) process: {memory_mb(pid):.0f} MB")
        if chosen.feast:
            stock = folder / "stock"
            make(folder, stock, f"  type: redis\n  connection_string: {host}", "")
            port = free_port()
            feast = [str(Path(sys.executable).with_name("feast")), "-c", str(stock), "serve", "-p", str(port)]
            with running([*feast, "-w", str(chosen.workers), "--no-access-log"], port, "/health"):
                for load in feature_loads("feast serve", port):
                    keep(results, measure(load, CONNECTIONS, chosen.seconds))
        show_ratios(results)
    finally:
        stop(folder / "redis")


def make(folder: Path, repo: Path, online: str, url: str) -> None:
    """Make a repository (and a release, when a registry is named) in a process of its own."""
    code = MAKE.format(here=str(Path(__file__).parent), repo=str(repo), online=online, url=url)
    subprocess.run(python(code, folder), check=True, stdout=subprocess.DEVNULL)


def keep(results: dict[str, Measured], measured: Measured) -> None:
    """Remember and print a measurement."""
    results[measured.name] = measured
    show(measured)


def show_ratios(results: dict[str, Measured]) -> None:
    """Print the ratios that the bar names."""
    rate = {name: measured.requests_per_second for name, measured in results.items()}
    print(f"ours 1 x 50 / empty: {rate['ours 1 x 50'] / rate['empty endpoint']:.2f}")
    print(f"predict / lookup of the same row: {rate['predict 1 x 60'] / rate['lookup 1 x 60']:.2f}")
    print(f"predict: 100 rows take {rate['predict 1 x 60'] / rate['predict 100 x 60']:.1f} x one row")
    for shape in ("1 x 50", "100 x 50", "1 x 250", "100 x 250"):
        if f"feast serve {shape}" in rate:
            print(f"ours / feast serve, {shape}: {rate[f'ours {shape}'] / rate[f'feast serve {shape}']:.1f}")


if __name__ == "__main__":
    main()
