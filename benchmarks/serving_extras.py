"""What watching costs: requests a second with lines for every request, traces, and the request log at 100 %.

    python benchmarks/serving_extras.py [--seconds 2] [--rounds 5]

One worker each, all started from the command line and running for the whole time; closed loops over eight connections
ask them in turns, and each ratio is the median of the rounds' ratios to the server without extras. Processor time for
a request says the same with less noise on a machine that others use. The collector of
traces is a process of its own that takes every span and looks at none; log lines go to a file.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from _closed_loop import Load, Measured, measure
from _machine import machine
from _serving_bench import BenchProject, Served, bench_project, predict_body

CONNECTIONS = 8
# Of the requests a second of a server without extras, what each of them must leave.
LEAST = 0.8
COLLECTOR = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.do_POST()
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Extra:
    """Something that a server does besides answering.

    Attributes
    ----------
    options, environ
        What switches it on; `{folder}` and `{collector}` are put in.
    """

    name: str
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a load gave, and the processor time of the server for a request, microseconds (the warm-up included)."""

    measured: Measured
    microseconds: float


LINES = ("--log-format", "json")
TRACES = ("--otlp-endpoint", "{collector}")
REQUEST_LOG = ("--request-log", "{folder}/request_log")
EXTRAS = (
    Extra("no extras"),
    Extra("a line for every request", LINES),
    Extra("a line for 1 in 100", (*LINES, "--log-share", "0.01")),
    Extra("a trace of every request", TRACES),
    Extra("a trace of 1 in 100", TRACES, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}),
    Extra("request log, 100 %", REQUEST_LOG),
    Extra("all of them, 100 %", (*LINES, *TRACES, *REQUEST_LOG)),
)


def main() -> None:
    """Run the benchmark and print its table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=2.0, help="of each load in each round")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    print(machine(), f"1 worker, {CONNECTIONS} connections, median of {chosen.rounds}", sep="; ")
    with (
        tempfile.TemporaryDirectory() as name,
        bench_project(Path(name), views=6) as project,
        contextlib.ExitStack() as running,
    ):
        collector = running.enter_context(collecting(Path(name)))
        servers = {extra.name: running.enter_context(serving(project, extra, collector)) for extra in EXTRAS}
        rounds = [
            {
                name: [taken(load, served, chosen.seconds) for load in loads(served.port)]
                for name, served in servers.items()
            }
            for _ in range(chosen.rounds)
        ]
    is_met = [show(at, rounds) for at in range(2)]
    raise SystemExit(0 if all(is_met) else 1)


def taken(load: Load, served: Served, seconds: float) -> Taken:
    """Return what a load gave, and the processor time that the server took for it."""
    process = psutil.Process(served.process.pid)
    before, warming = process.cpu_times(), min(0.5, seconds / 4)
    found = measure(load, CONNECTIONS, seconds)
    after = process.cpu_times()
    used = after.user - before.user + after.system - before.system
    return Taken(found, 1e6 * used / (found.requests_per_second * (seconds + warming)))


def loads(port: int) -> list[Load]:
    """Return one row of 50 features, and one prediction of 60."""
    lookup = json.dumps({"feature_service": "wide_50", "entities": {"user_id": [0]}}).encode()
    return [
        Load("lookup 1 x 50", port, "/get-online-features", lookup),
        Load("predict 1 x 60", port, "/v1/predict/bench", predict_body([0])),
    ]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def show(at: int, rounds: list[dict[str, list[Taken]]]) -> bool:
    """Print what each extra leaves of a load; return whether all leave enough."""
    kept = []
    print(f"\n{rounds[0][EXTRAS[0].name][at].measured.name}")
    for extra in EXTRAS:
        found = [one[extra.name][at] for one in rounds]
        plain = [one[EXTRAS[0].name][at] for one in rounds]
        ratio = statistics.median(
            mine.measured.requests_per_second / other.measured.requests_per_second
            for mine, other in zip(found, plain, strict=True)
        )
        rate = statistics.median(one.measured.requests_per_second for one in found)
        p99 = statistics.median(one.measured.p99_ms for one in found)
        used = statistics.median(one.microseconds for one in found)
        kept.append(ratio >= LEAST)
        told = "" if extra is EXTRAS[0] else f"bar at least {LEAST:<5g}{'met' if kept[-1] else 'NOT MET'}"
        errors = sum(one.measured.errors for one in found)
        figures = f"{rate:>8.0f}/s  p99 {p99:>7.2f} ms  processor {used:>6.0f} us  errors {errors}  {ratio:>6.2f}"
        print(f"  {extra.name:<26}{figures}   {told}".rstrip())
    return all(kept)


@contextlib.contextmanager
def collecting(folder: Path) -> Iterator[str]:
    """Run a collector until the end of the block; yield its address."""
    port = free_port()
    (folder / "collector.py").write_text(COLLECTOR)
    with _running([sys.executable, "collector.py", str(port)], folder, os.environ, f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def serving(project: BenchProject, extra: Extra, collector: str) -> Iterator[Served]:
    """Run a server with an extra until the end of the block."""
    port, name = free_port(), "".join(filter(str.isalnum, extra.name))
    folder = project.folder / name
    folder.mkdir()
    options = [option.format(folder=folder, collector=collector) for option in extra.options]
    inherited = {key: value for key, value in os.environ.items() if key != "REDIS_URL" and not key.startswith("OTEL_")}
    likewise = str(Path(sys.executable).with_name("likewise"))
    command = [likewise, "serve", "--release", "bench@prod", "--port", str(port), *options]
    environ = {**inherited, **project.environ, **extra.environ}
    with _running(command, folder, environ, f"http://127.0.0.1:{port}/health/ready") as process:
        yield Served(process, port)


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, environ: Mapping[str, str], url: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run a process until the end of the block, once a URL is answered; its output goes to a file."""
    output = folder / "output"
    with (
        output.open("w") as file,
        subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, text=True, env=dict(environ)) as process,
    ):
        try:
            end = time.monotonic() + 90
            while not answers(url):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{command} did not start:\n{output.read_text()[-2000:]}")
                time.sleep(0.2)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)


def answers(url: str) -> bool:
    """Whether somebody answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    main()
