"""OpenTelemetry's SDK behind one small class: imported only when traces are wanted, bounded, off the request path."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from likewise.serving.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

SERVICE = "likewise"
# Requests wait for no collector, and neither does the end of the process for longer than this.
CLOSE_SECONDS = 3.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_QUEUE = 2_048  # OpenTelemetry's own default (OTEL_BSP_MAX_QUEUE_SIZE)


def wanted_endpoint(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the endpoint that OpenTelemetry's own environment names; None where it wants no traces."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    return next((environ[name] for name in _ENDPOINTS if environ.get(name)), None)


class Telemetry:
    """Makes spans of one process and sends them in batches, on a thread of its own, from a bounded queue.

    Everything else is OpenTelemetry's environment: OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS,
    OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_... The provider is not the global one: no library of the process makes spans
    by surprise.

    Parameters
    ----------
    endpoint
        Where spans go, without `/v1/traces`.

    Raises
    ------
    SettingsError
        The packages are not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            # 0.3 s, and packages of an extra: not for a server without traces.
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise SettingsError("otlp_endpoint", "likewise[telemetry] to be installed", str(error)) from None
        # Of the environment the traces' own URL is taken as it is; a base URL is completed, as the standard says.
        url = os.environ.get(_ENDPOINTS[0]) or f"{endpoint.rstrip('/')}/v1/traces"
        name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
        self._sender = OTLPSpanExporter(endpoint=url)
        self._count = _Count(int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or _QUEUE))
        batches = BatchSpanProcessor(_Sending(self._sender, self._count, SpanExportResult.SUCCESS))  # type: ignore[arg-type]
        self._provider = TracerProvider(resource=Resource.create(name))
        self._provider.add_span_processor(_Bounded(batches, self._count))  # type: ignore[arg-type]
        self._tracer = self._provider.get_tracer("likewise.serving")
        self._propagator, self._trace = TraceContextTextMapPropagator(), trace

    def watch_lost(self, count: Callable[[int], object]) -> None:
        """Have spans counted that were not sent."""
        self._count.lost = count

    def request_span(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, Any]
    ) -> AbstractContextManager["Span"]:
        """Return the span of a request, a child of the caller's (`traceparent`, `tracestate`) if it sent one."""
        parent = self._propagator.extract(headers)
        kind = self._trace.SpanKind.SERVER
        return self._tracer.start_as_current_span(name, parent, kind, dict(attributes))

    def span(self, name: str, attributes: Mapping[str, Any], *, leaves: bool = False) -> AbstractContextManager["Span"]:
        """Return a span below the current one; `leaves` if it waits for another process."""
        current = self._trace.get_current_span()
        if current.get_span_context().is_valid and not current.is_recording():
            return nullcontext(current)  # not sampled, so nor is what is below it; the SDK takes 7 us to say so
        kind = self._trace.SpanKind.CLIENT if leaves else self._trace.SpanKind.INTERNAL
        return self._tracer.start_as_current_span(name, kind=kind, attributes=dict(attributes))

    def mark_failed(self, span: "Span", told: str) -> None:
        """Mark a span as an error."""
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, told))

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send what is waiting, if the collector takes it within `seconds`, and end."""
        # The SDK's own patience is 30 s, longer than a graceful end may take.
        impatience = threading.Timer(min(seconds, CLOSE_SECONDS), self._sender.shutdown)
        impatience.daemon = True
        impatience.start()
        self._provider.shutdown()
        impatience.cancel()


class _Count:
    """How many spans wait, and who is told of those that never went."""

    def __init__(self, limit: int) -> None:
        self._limit, self._waiting = limit, 0
        self._lock = threading.Lock()
        self.lost: Callable[[int], object] = lambda _: None

    def admits(self) -> bool:
        with self._lock:
            if self._waiting >= self._limit:
                return False
            self._waiting += 1
            return True

    def leave(self, spans: int) -> None:
        with self._lock:
            self._waiting -= spans


class _Bounded:
    """A span processor that drops and counts at the limit; the SDK's own writes a warning for each span there."""

    def __init__(self, inner: Any, count: _Count) -> None:
        self._inner, self._count = inner, count

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._inner.on_start(span, parent_context)

    def _on_ending(self, span: Any) -> None:
        """Nothing; the SDK calls it."""

    def on_end(self, span: Any) -> None:
        if not span.context.trace_flags.sampled:
            return
        if self._count.admits():
            self._inner.on_end(span)
        else:
            self._count.lost(1)

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._inner.force_flush(timeout_millis))


class _Sending:
    """An exporter that counts what was not taken."""

    def __init__(self, inner: Any, count: _Count, success: Any) -> None:
        self._inner, self._count, self._success = inner, count, success

    def export(self, spans: Any) -> Any:
        result = self._inner.export(spans)
        self._count.leave(len(spans))
        if result is not self._success:
            self._count.lost(len(spans))
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._inner.force_flush(timeout_millis))
