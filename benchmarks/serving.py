"""Serving, side by side in one run: our endpoints, an empty endpoint, raw MGET, and `feast serve`, with their bars.

    python benchmarks/serving.py [--seconds 3] [--rounds 3] [--workers 1] [--feast]

Closed loop over eight connections; the client runs on the same two cores, so ratios say more than figures. All
servers run for the whole time and are asked in turns; each figure is the median of the rounds.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import redis

sys.path.insert(0, str(Path(__file__).parent))

from _closed_loop import Load, Measured, measure
from _machine import machine
from _serving_bench import BenchProject, Served, Serving, bench_project, serve, serve_feast

CONNECTIONS = 8
SHAPES = ((1, 50), (1, 250), (100, 50), (100, 250))
EMPTY = """
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({{"type": "http.response.start", "status": 200, "headers": head}})
    await send({{"type": "http.response.body", "body": b"{{}}"}})
if __name__ == "__main__":
    quiet = {{"access_log": False, "log_level": "error", "lifespan": "off"}}
    uvicorn.run("{module}:app", port={port}, workers={workers}, loop="uvloop", http="httptools", **quiet)
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A ratio that was promised.

    Attributes
    ----------
    what, above, below
        Its name, and the names of the loads whose requests a second are divided.
    wanted
        What the ratio must be: at least (or at most) this.
    """

    what: str
    above: str
    below: str
    wanted: float
    at_most: bool = False

    def line(self, rates: dict[str, float]) -> str:
        """Return the ratio beside its bar, as a line."""
        got = rates[self.above] / rates[self.below]
        is_met = got <= self.wanted if self.at_most else got >= self.wanted
        bar = f"{'at most' if self.at_most else 'at least'} {self.wanted:g}"
        return f"{self.what:<48}{got:>9.2f}   bar {bar:<14}{'met' if is_met else 'NOT MET'}"


BARS = (
    Bar("ours 1 x 50 / empty endpoint", "ours 1 x 50", "empty endpoint", 0.25),
    Bar("predict / lookup of the same row (60 features)", "predict 1 x 60", "lookup 1 x 60", 0.5),
    # Of a request that is alone: several of one row each are read and predicted together, so take less time each.
    Bar(
        "predict: time of 100 rows / time of one, alone",
        "predict 1 x 60 alone",
        "predict 100 x 60 alone",
        4,
        at_most=True,
    ),
    Bar("ours / feast serve, 1 x 50", "ours 1 x 50", "feast serve 1 x 50", 12),
    Bar("ours / feast serve, 1 x 250", "ours 1 x 250", "feast serve 1 x 250", 50),
    Bar("ours / feast serve, 100 x 250", "ours 100 x 250", "feast serve 100 x 250", 80),
)
SCALES = (
    ("our empty endpoint", "empty endpoint"),
    ("ours 1 x 50", "our empty endpoint"),
    ("predict 1 x 60", "predict 100 x 60"),
)
MEMORY_BAR_MB = 250


def feature_loads(name: str, port: int) -> list[Load]:
    """Return the loads of `/get-online-features`: rows x features."""
    return [_lookup(f"{name} {rows} x {features}", port, rows, features) for rows, features in SHAPES]


def predict_loads(port: int) -> list[Load]:
    """Return the loads of `/v1/predict`: 60 features, and the bare lookup of the same row."""
    loads = [_lookup("lookup 1 x 60", port, 1, 60)]
    for rows in (1, 10, 100):
        body = json.dumps({"entities": {"user_id": list(range(rows))}}).encode()
        loads.append(Load(f"predict {rows} x 60", port, "/v1/predict/bench", body))
    return loads


def _lookup(name: str, port: int, rows: int, features: int) -> Load:
    body = {"feature_service": f"wide_{features}", "entities": {"user_id": list(range(rows))}}
    return Load(name, port, "/get-online-features", json.dumps(body).encode())


def main() -> None:
    """Run the benchmark and print its tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0, help="of each load in each round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--workers", type=int, default=1, help="of every server")
    options.add_argument("--feast", action="store_true", help="also measure `feast serve` on the stock Redis store")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run_in(Path(name), chosen)


def run_in(folder: Path, chosen: argparse.Namespace) -> None:
    """Make the project in a folder, start every server, then measure in turns."""
    print(machine(), f"{chosen.workers} worker(s), {CONNECTIONS} connections, median of {chosen.rounds}", sep="; ")
    with bench_project(folder, views=6) as project, contextlib.ExitStack() as servers:
        loads = [Load("empty endpoint", servers.enter_context(empty(folder, chosen.workers)), "/", b"{}")]
        ours = servers.enter_context(serve(project, Serving({"workers": chosen.workers})))
        loads += [Load("our empty endpoint", ours.port, "/health/live", b"", "GET")]
        predicting = predict_loads(ours.port)
        loads += [*predicting, *feature_loads("ours", ours.port)]
        alone = [replace(load, name=f"{load.name} alone") for load in predicting if load.name.startswith("predict")]
        if chosen.feast:
            loads += feature_loads("feast serve", servers.enter_context(serve_feast(project, chosen.workers)))
        rounds = [measure_all(loads, alone, chosen.seconds) for _ in range(chosen.rounds)]
        for load in [*loads, *alone]:
            show([one[load.name] for one in rounds])
        show_mget(project, chosen.seconds)
        show_bars({name: _rate([one[name] for one in rounds]) for name in rounds[0]})
        show_memory("features and predict", resident(ours))
        lean = servers.enter_context(serve(project, Serving({"workers": chosen.workers, "roles": ("predict",)})))
        for load in predict_loads(lean.port):
            measure(load, CONNECTIONS, 1.0)
        show_memory("predict", resident(lean))
        show_memory("from a release directory", directory_memory(project, folder, predicting))


def measure_all(loads: list[Load], alone: list[Load], seconds: float) -> dict[str, Measured]:
    """Return what every load gives: over all connections, and over one for those that shall be alone."""
    found = {load.name: measure(load, CONNECTIONS, seconds) for load in loads}
    return found | {load.name: measure(load, 1, seconds) for load in alone}


def resident(served: Served) -> float:
    """Return the memory of the largest worker, MB."""
    return float(max(worker.memory_info().rss for worker in served.workers()) / 1e6)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, path: str, folder: Path) -> Iterator[int]:
    """Run a server in a folder until the end of the block, once it answers; yield its process id."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 90
            while not answers(port, path):
                if process.poll() is not None or time.monotonic() > end:
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
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def empty(folder: Path, workers: int) -> Iterator[int]:
    """Run an endpoint that does nothing, on the same HTTP server; yield its port."""
    port = free_port()
    (folder / "nothing.py").write_text(EMPTY.format(module="nothing", port=port, workers=workers))
    with running([sys.executable, "-W", "ignore", "nothing.py"], port, "/", folder):
        yield port


def directory_memory(project: BenchProject, folder: Path, loads: list[Load]) -> float:
    """Return what a worker that started from a release directory holds after some load, MB."""
    target, port = folder / "bench-1", free_port()
    likewise = str(Path(sys.executable).with_name("likewise"))
    command = [likewise, "release-dir", "bench@prod", str(target)]
    subprocess.run(command, check=True, env={**os.environ, **project.environ}, capture_output=True)
    # Nothing of the project is named here: the folder is all that the server gets.
    command = [likewise, "serve", "--release-dir", str(target), "--port", str(port)]
    with running(command, port, "/health/ready", folder) as pid:
        for load in loads:
            measure(Load(load.name, port, load.path, load.body), CONNECTIONS, 1.0)
        return float(psutil.Process(pid).memory_info().rss / 1e6)


def show_mget(project: BenchProject, seconds: float) -> None:
    """Print what Redis itself allows: one client that asks for the rows of 50 features, one call after the other."""
    with redis.Redis.from_url(project.redis.url) as client:
        keys = [f"lw1:bench:v{view}:1" for view in range(5)]
        assert all(client.mget(keys))
        end, count = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            client.mget(keys)
            count += 1
    print(f"{'raw MGET of 5 rows, one client':<24}{count / seconds:>10.0f}/s")


def _rate(rounds: list[Measured]) -> float:
    return statistics.median(one.requests_per_second for one in rounds)


def show(rounds: list[Measured]) -> None:
    """Print the medians of one load."""
    print(
        f"{rounds[0].name:<24}{_rate(rounds):>10.0f}/s"
        f"  p50 {statistics.median(one.p50_ms for one in rounds):8.3f} ms"
        f"  p99 {statistics.median(one.p99_ms for one in rounds):8.3f} ms  errors {sum(one.errors for one in rounds)}",
        flush=True,
    )


def show_bars(rates: dict[str, float]) -> None:
    """Print every ratio that could be measured beside its bar."""
    print()
    for bar in BARS:
        if {bar.above, bar.below} <= rates.keys():
            print(bar.line(rates))
    # For scale, without a bar: what our server's own routing, access, counts and ids leave of the bare ASGI app, and
    # how many requests of one row go into the time of one of 100 when eight connections ask at once.
    for above, below in SCALES:
        print(f"{f'{above} / {below}':<48}{rates[above] / rates[below]:>9.2f}")


def show_memory(how: str, megabytes: float) -> None:
    """Print the memory of a worker beside its bar."""
    what = f"resident memory of a worker, {how}"
    verdict = "met" if megabytes < MEMORY_BAR_MB else "NOT MET"
    print(f"{what:<64}{megabytes:>6.0f} MB   bar under {MEMORY_BAR_MB} MB   {verdict}", flush=True)


if __name__ == "__main__":
    main()
