"""What an app is put together from: one adapter for each port, real ones or fakes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from likewise.serving.ports import FeatureCatalog, FeatureSource, FeatureWriter
from likewise.serving.registry_routes import RegistryReader
from likewise.serving.resident import ReleaseSource
from likewise.serving.telemetry import Telemetry


def _nothing() -> None:
    """Do nothing."""


async def _nothing_to_close() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Adapters of one worker.

    Attributes
    ----------
    catalog, writer
        Features by Feast's API; needed by the role `features`.
    releases
        Where releases come from; needed by the role `predict`.
    registry
        Shown read-only; None: not shown.
    heal
        Called while the online store does not answer (blocking): looks where it is now.
    close
        Awaited once when the worker ends.
    telemetry
        Makes and sends spans; None: there are none. The worker closes it.
    source
        What is refreshed and probed where there is no catalog; None: the catalog, if there is one.
    """

    catalog: FeatureCatalog | None = None
    writer: FeatureWriter | None = None
    releases: ReleaseSource | None = None
    registry: RegistryReader | None = None
    heal: Callable[[], object] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing_to_close
    telemetry: Telemetry | None = None
    source: FeatureSource | None = None
