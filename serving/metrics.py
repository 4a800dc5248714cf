"""Prometheus metrics of one worker."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric

from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.metrics_board import MetricsBoard
from likewise.serving.prometheus_values import keep_values_in_process
from likewise.serving.route_metrics import RouteCollector, RouteMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What a worker counts.

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
        self._routes = RouteCollector()
        self.registry.register(self._routes)
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

    def route(self, name: str) -> RouteMetrics:
        """Return what a route counts with."""
        return self._routes.route(name)

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
