"""`/get-online-features` at fixed rates, ours and `feast serve` side by side: latency counts from when it was due.

    python benchmarks/serving_open_loop.py [--seconds 4] [--rounds 3] [--workers 2] [--shapes 1x50,100x250]

Both servers stand on one Redis with as many workers. Feast's maximum is found by a closed loop; then both are asked at
shares of it, in turn, round after round; the median of the rounds counts. Ours is also asked at shares of its own
maximum, for the plots.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).parent))

from _closed_loop import Load, measure
from _machine import machine
from _open_loop import Pace, Recorded, http_request, measure_open_loop
from _serving_bench import Serving, bench_project, serve, serve_feast

SHARES = (0.25, 0.5, 0.7, 0.9)
BAR_SHARE, BAR = 0.7, 0.25
SHAPES = ("1x50", "10x50", "100x50", "1x250", "10x250", "100x250")
PATH = "/get-online-features"
# A 99th percentile of fewer answers is only their maximum.
FEWEST_REQUESTS, MOST_SECONDS = 100, 15.0
CONNECTIONS = 8
ENTITIES = 1_000


@dataclass(frozen=True, slots=True)
class Servers:
    """Ports of what is compared."""

    ours: int
    feast: int


@dataclass(frozen=True, slots=True)
class Point:
    """One rate of one server: medians over the rounds.

    Attributes
    ----------
    share
        Of its server's own maximum (of Feast's, where both are compared).
    p50_ms, p99_ms, slowest_ms
        Latencies from the intended time.
    failed
        Answers other than 200, in all rounds.
    late_ms
        99th percentile of how late this client itself sent.
    """

    server: str
    rate: float
    share: float
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    failed: int
    late_ms: float


def requests_of(shape: str) -> list[bytes]:
    """Return requests of a shape, over all entities in turn."""
    rows, features = map(int, shape.split("x"))
    bodies = []
    for first in range(0, ENTITIES, max(rows, 5)):
        users = [(first + at) % ENTITIES for at in range(rows)]
        bodies.append({"feature_service": f"wide_{features}", "entities": {"user_id": users}})
    return [http_request(PATH, json.dumps(body).encode()) for body in bodies]


def maximum_rate(port: int, shape: str, seconds: float) -> float:
    """Return the requests per second of a closed loop."""
    body = requests_of(shape)[0].partition(b"\r\n\r\n")[2]
    return measure(Load(shape, port, PATH, body), CONNECTIONS, seconds).requests_per_second


def compare(servers: Servers, shape: str, seconds: float, rounds: int) -> list[Point]:
    """Return both servers at shares of Feast's maximum, and ours at shares of its own."""
    requests = requests_of(shape)
    feast, ours = maximum_rate(servers.feast, shape, seconds), maximum_rate(servers.ours, shape, seconds)
    print(f"{shape}: closed loop {feast:,.0f}/s feast, {ours:,.0f}/s ours", flush=True)
    wanted = [(name, share, share * feast) for share in SHARES for name in ("feast serve", "ours")]
    wanted += [("ours alone", share, share * ours) for share in SHARES]
    ports = {"feast serve": servers.feast, "ours": servers.ours, "ours alone": servers.ours}
    runs: dict[tuple[str, float, float], list[Recorded]] = {at: [] for at in wanted}
    for at in wanted * rounds:
        rate = at[2]
        pace = Pace(rate, min(MOST_SECONDS, max(seconds, FEWEST_REQUESTS / rate)), drain_seconds=20)
        runs[at].append(measure_open_loop(ports[at[0]], requests, pace))
    return [_point(at, found) for at, found in runs.items()]


def _point(at: tuple[str, float, float], runs: Sequence[Recorded]) -> Point:
    def middle(percent: float) -> float:
        return statistics.median(run.percentile_ms(percent) for run in runs)

    failed = sum(int((run.statuses != 200).sum()) for run in runs)
    late = statistics.median(_late_ms(run) for run in runs)
    return Point(at[0], at[2], at[1], middle(50), middle(99), middle(100), failed, late)


def _late_ms(run: Recorded) -> float:
    late = sorted((run.sent - run.due) * 1e3)
    return float(late[int(len(late) * 0.99)])


def show(shape: str, points: Sequence[Point]) -> bool:
    """Print the table of a shape; return whether it meets the bar."""
    for point in points:
        print(
            f"  {shape:<8} {point.server:<12} {point.share:4.0%} {point.rate:9,.1f}/s  p50 {point.p50_ms:8.2f}"
            f"  p99 {point.p99_ms:8.2f}  slowest {point.slowest_ms:8.2f} ms  failed {point.failed}"
            f"  (client late {point.late_ms:.2f} ms)"
        )
    p99 = {point.server: point.p99_ms for point in points if point.share == BAR_SHARE}
    ratio = p99["ours"] / p99["feast serve"]
    print(
        f"  {shape:<8} at {BAR_SHARE:.0%} of Feast's maximum: p99 ours / feast = {ratio:.3f} (bar {BAR:g})", flush=True
    )
    return ratio <= BAR


def plot(shape: str, points: Sequence[Point], path: Path) -> None:
    """Draw latency percentiles against rate, both on logarithmic axes."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    colours = {"feast serve": "tab:orange", "ours": "tab:blue"}
    for server, colour in colours.items():
        own = sorted((p for p in points if p.server in (server, f"{server} alone")), key=lambda point: point.rate)
        rates = [point.rate for point in own]
        for name, style in (("p50", ":"), ("p99", "-"), ("slowest", "--")):
            values = [getattr(point, f"{name}_ms") for point in own]
            axes.plot(rates, values, style, color=colour, marker="o", markersize=3, label=f"{server}, {name}")
    rows, features = shape.split("x")
    axes.set(xscale="log", yscale="log", xlabel="requests per second (open loop)", ylabel="latency from due time, ms")
    axes.set_title(
        f"/get-online-features, {rows} {'row' if rows == '1' else 'rows'} x {features} features\n{machine()}"
    )
    axes.grid(visible=True, which="both", alpha=0.2)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Run everything, print the tables and draw the plots."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=4.0, help="of each rate in each round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--shapes", default=",".join(SHAPES), help="ROWSxFEATURES, separated by commas")
    options.add_argument("--plots", type=Path, default=Path("build/serving"), help="folder")
    chosen = options.parse_args()
    chosen.plots.mkdir(parents=True, exist_ok=True)
    settings = {"workers": chosen.workers, "roles": ("features",), "releases": ()}
    met = {}
    with (
        tempfile.TemporaryDirectory() as name,
        bench_project(Path(name) / "bench", releases=0) as project,
        serve_feast(project, chosen.workers) as feast,
        serve(project, Serving(settings)) as ours,
    ):
        print(f"{machine()}; {chosen.workers} workers, {chosen.rounds} rounds of {chosen.seconds:g} s")
        for shape in chosen.shapes.split(","):
            points = compare(Servers(ours.port, feast), shape, chosen.seconds, chosen.rounds)
            met[shape] = show(shape, points)
            plot(shape, points, chosen.plots / f"open_loop_{shape}.png")
    print(f"plots in {chosen.plots}; bar met: {', '.join(shape for shape, ok in met.items() if ok) or 'nowhere'}")
    raise SystemExit(0 if all(met.values()) else 1)


if __name__ == "__main__":
    main()
