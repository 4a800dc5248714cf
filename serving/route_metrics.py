"""What routes count of their answers: plain numbers, made metrics when somebody looks."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

# Seconds; 0.1 ms steps where answers should be, then wider.
BUCKETS = (
    *(step / 10_000 for step in range(1, 11)),
    *(0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
_BOUNDS = (*map(repr, BUCKETS), "+Inf")


class RouteMetrics:
    """Counts of one route.

    prometheus_client's counters have a lock each and look for a bucket one by one: 2 us an answer. Only the thread
    of the event loop counts here.

    Attributes
    ----------
    answers
        Status -> answers.
    buckets
        Answers whose time lies at or below each of `BUCKETS` and above the one before; the last are those above all.
    seconds
        Time of all answers.
    rows
        Rows of all requests.
    """

    __slots__ = ("answers", "buckets", "rows", "seconds")

    def __init__(self) -> None:
        self.answers: dict[int, int] = {}
        self.buckets = [0] * len(_BOUNDS)
        self.seconds, self.rows = 0.0, 0

    def count(self, status: int, seconds: float, rows: int) -> None:
        """Count an answer."""
        self.answers[status] = self.answers.get(status, 0) + 1
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        self.rows += rows


class RouteCollector:
    """The counts of all routes, as Prometheus collects them."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteMetrics] = {}

    def route(self, name: str) -> RouteMetrics:
        """Return what a route counts with."""
        return self._routes.setdefault(name, RouteMetrics())

    def collect(self) -> Iterator[Metric]:
        """Return metrics of what was counted so far."""
        seconds = HistogramMetricFamily(
            "likewise_request_seconds",
            "Time from when a handler gets the request to its answer, seconds.",
            labels=["route"],
        )
        requests = CounterMetricFamily("likewise_requests", "Answers by route and status.", labels=["route", "status"])
        rows = CounterMetricFamily("likewise_rows", "Rows of requests by route.", labels=["route"])
        for name, counts in self._routes.items():
            seconds.add_metric([name], list(zip(_BOUNDS, accumulate(counts.buckets), strict=True)), counts.seconds)
            for status, answers in list(counts.answers.items()):  # another thread may ask
                requests.add_metric([name, str(status)], answers)
            rows.add_metric([name], counts.rows)
        yield from (seconds, requests, rows)
