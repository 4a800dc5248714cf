import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from likewise.serving.metrics_board import MetricsBoard, merged
from likewise.serving.prometheus_values import keep_values_in_process


def text(requests: int, version: int, seconds: float) -> str:
    keep_values_in_process()
    registry = CollectorRegistry()
    Counter("requests", "Answers.", ["route"], registry=registry).labels('a"b\\c\nd').inc(requests)
    Gauge("version", "Version.", registry=registry).set(version)
    Histogram("seconds", "Time.", buckets=(0.1, 1.0), registry=registry).observe(seconds)
    return generate_latest(registry).decode()


def values(joined: str) -> dict[str, float]:
    families = text_string_to_metric_families(joined)
    return {f"{s.name}{s.labels.get('le', '')}": s.value for family in families for s in family.samples}


def test_counters_add_up_and_gauges_take_the_largest() -> None:
    """Workers' counters and histograms are added, of gauges the largest is shown, and Prometheus can read it."""
    found = values(merged([text(3, 7, 0.05), text(4, 8, 5.0)]))
    assert found == {
        "requests_total": 7.0,
        "version": 8.0,
        "seconds_bucket0.1": 1.0,
        "seconds_bucket1.0": 1.0,
        "seconds_bucket+Inf": 2.0,
        "seconds_count": 2.0,
        "seconds_sum": 5.05,
    }


def test_labels_survive() -> None:
    """Label values with quotes, backslashes and line ends come out as they went in."""
    families = list(text_string_to_metric_families(merged([text(1, 1, 1.0)])))
    assert families[0].samples[0].labels == {"route": 'a"b\\c\nd'}


def test_a_worker_that_ended_stays_counted(tmp_path: Path) -> None:
    """What another worker left is added to this worker's own, which is never added twice."""
    board = MetricsBoard(tmp_path)
    board.post(text(1, 1, 1.0).encode())
    assert values(board.render(text(2, 1, 1.0).encode()).decode())["requests_total"] == 2.0
    (tmp_path / f"{os.getpid() + 1}.prom").write_text(text(5, 1, 1.0))
    assert values(board.render(text(2, 1, 1.0).encode()).decode())["requests_total"] == 7.0


def test_two_workers_in_one_process_count_apart_whatever_feast_set() -> None:
    """Values stay in the process, also after Feast has pointed prometheus_client at files shared by name."""
    code = (
        "import feast\n"
        "from likewise.serving.metrics import Metrics\n"
        "one, other = Metrics(), Metrics()\n"
        "[one.route('a').count(200, 0.001, 1) for _ in range(3)], one.defaults.inc(3)\n"
        "assert b'likewise_requests_total{' not in other.render(), other.render()\n"
        "assert b'likewise_default_answers_total 0.0' in other.render(), other.render()\n"
        "assert b'likewise_default_answers_total 3.0' in one.render(), one.render()\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
