"""Prometheus metrics of one worker, with buckets that resolve a tenth of a millisecond."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric

from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.metrics_board import MetricsBoard
from likewise.serving.prometheus_values import keep_values_in_process

# Seconds; 0.1 ms steps where answers should be, then wider.
BUCKETS = (
    *(step / 10_000 for step in range(1, 11)),
    *(0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What a worker counts. Label children are made once, so that counting is one addition.

    Parameters
    ----------
    board
        Where several workers add up what they counted; None: there is one.
    """

    def __init__(self, board: MetricsBoard | None = None) -> None:
        keep_values_in_process()
        self.registry = CollectorRegistry()
        self._board = board
        ProcessCollector(registry=self.registry)  # memory, processor time, file handles; of several workers the largest
        self._seconds = Histogram(
            "likewise_request_seconds",
            "Time from the first byte of the request to the answer, seconds.",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._requests = self._counter("likewise_requests", "Answers by route and status.", "route", "status")
        self._rows = self._counter("likewise_rows", "Rows of requests by route.", "route")
        self._statuses = self._counter(
            "likewise_row_statuses", "Rows of stored views by status (PRESENT is not counted).", "view", "status"
        )
        self.defaults = self._counter(
            "likewise_default_answers", "Answers made without the store (on_trouble=defaults)."
        )
        self.log_lost = self._counter("likewise_request_log_lost", "Answers that the request log could not keep.")
        self.lines_lost = self._counter(
            "likewise_log_lines_lost", "Log lines of requests that were not written: the log's reader is too slow."
        )
        self.spans_lost = self._counter(
            "likewise_trace_spans_lost", "Spans not sent: the queue was full, or the collector did not take them."
        )
        self.swaps = self._counter("likewise_release_swaps", "Releases swapped in.", "reference")
        self.version = self._gauge("likewise_release_version", "Version that answers for a reference.", "reference")
        self.definitions_moved = self._gauge(
            "likewise_definitions_moved",
            "Parts of the feature definitions that are no longer as the release pinned them.",
            "reference",
        )
        self.refused = self._gauge(
            "likewise_release_refused", "1 while a reference names a release that did not load here.", "reference"
        )
        self.certificate_expires = self._gauge(
            "likewise_tls_certificate_expires_timestamp_seconds",
            "When the certificate that is served ends, seconds since 1970; 0 without TLS.",
        )

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(name, told, labels, registry=self.registry)

    def _gauge(self, name: str, told: str, *labels: str) -> Gauge:
        return Gauge(name, told, labels, registry=self.registry)

    def route(self, name: str) -> "RouteMetrics":
        """Return what a route counts with."""
        return RouteMetrics(
            self._seconds.labels(name).observe,
            lambda status: self._requests.labels(name, str(status)),
            self._rows.labels(name).inc,
        )

    def count_status(self, view: str, status: str, rows: int) -> None:
        """Count rows of a view that were not simply present."""
        self._statuses.labels(view, status).inc(rows)

    def watch_releases(self, loaded: Callable[[], Iterable[LoadedRelease]]) -> None:
        """Report missing, unseen and out-of-range values of every loaded release."""
        self.registry.register(_TallyCollector(loaded))

    def render(self) -> bytes:
        """Return the text that Prometheus scrapes: of all workers where they share a board."""
        own = generate_latest(self.registry)
        return own if self._board is None else self._board.render(own)

    def post(self) -> None:
        """Leave this worker's metrics for the others."""
        if self._board is not None:
            self._board.post(generate_latest(self.registry))


class RouteMetrics:
    """Counts of one route."""

    __slots__ = ("_children", "_make", "add_rows", "observe")

    def __init__(
        self, observe: Callable[[float], None], make: Callable[[int], Counter], add_rows: Callable[[float], None]
    ) -> None:
        self.observe, self._make, self.add_rows = observe, make, add_rows
        self._children: dict[int, Counter] = {}

    def count(self, status: int) -> None:
        """Count an answer."""
        child = self._children.get(status)
        if child is None:
            child = self._children[status] = self._make(status)
        child.inc()


class _TallyCollector:
    def __init__(self, loaded: Callable[[], Iterable[LoadedRelease]]) -> None:
        self._loaded = loaded

    def collect(self) -> Iterator[Metric]:
        values = CounterMetricFamily(
            "likewise_values",
            "Values that met a policy of the transform: missing, unseen, out_of_range.",
            labels=["release", "column", "event"],
        )
        rows = CounterMetricFamily("likewise_transformed_rows", "Rows transformed.", labels=["release"])
        for release in {id(release): release for release in self._loaded()}.values():
            counters = release.tally.snapshot()
            rows.add_metric([release.identity.reference], counters.rows)
            for (column, event), count in counters:
                values.add_metric([release.identity.reference, column, event], count)
        yield values
        yield rows
