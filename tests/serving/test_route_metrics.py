"""Counts of our own give Prometheus what prometheus_client's counters would."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from likewise.serving.metrics import Metrics
from likewise.serving.prometheus_values import keep_values_in_process
from likewise.serving.route_metrics import BUCKETS, RouteCollector

ROUTES = ("/get-online-features", "/v1/predict/{release}")
TIMES = st.one_of(st.sampled_from(BUCKETS), st.floats(0, 10, allow_nan=False))
ANSWERS = st.lists(st.tuples(st.sampled_from(ROUTES), st.sampled_from([200, 404, 503]), TIMES, st.integers(0, 500)))


def shown(registry: CollectorRegistry) -> set[str]:
    """Return the lines of a scrape, without the times at which counters were made."""
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


@given(ANSWERS)
def test_a_scrape_reads_as_prometheus_clients(answers: list[tuple[str, int, float, int]]) -> None:
    """Every series has the name, labels and value that prometheus_client gives it, also before the first answer."""
    keep_values_in_process()
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    told = "Time from when a handler gets the request to its answer, seconds."
    seconds = Histogram("likewise_request_seconds", told, ["route"], buckets=BUCKETS, registry=theirs)
    requests = Counter("likewise_requests", "Answers by route and status.", ["route", "status"], registry=theirs)
    rows = Counter("likewise_rows", "Rows of requests by route.", ["route"], registry=theirs)
    collector = RouteCollector()
    ours.register(collector)
    for route in ROUTES:
        seconds.labels(route), rows.labels(route), collector.route(route)
    for route, status, took, sent in answers:
        seconds.labels(route).observe(took)
        requests.labels(route, str(status)).inc()
        rows.labels(route).inc(sent)
        collector.route(route).count(status, took, sent)
    assert shown(ours) == shown(theirs)


def test_a_scrape_beside_answers_loses_none() -> None:
    """Scrapes on another thread neither fail nor lose an answer that is counted meanwhile."""
    metrics = Metrics()
    counts = metrics.route("/x")
    ended = threading.Event()
    texts: list[bytes] = []

    def scrape() -> None:
        while not ended.is_set():
            texts.append(metrics.render())

    thread = threading.Thread(target=scrape)
    thread.start()
    for at in range(20_000):
        counts.count(at, 0.001, 1)
    ended.set()
    thread.join()
    assert texts
    text = metrics.render().decode()
    assert 'likewise_request_seconds_count{route="/x"} 20000.0' in text
    assert 'likewise_rows_total{route="/x"} 20000.0' in text
    assert text.count("likewise_requests_total{") == 20_000
