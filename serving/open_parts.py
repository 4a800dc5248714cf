"""The real parts of a worker: a Feast repository, the registry, the online store."""

from likewise.serving.feast_repository import FeastRepository
from likewise.serving.feast_writer import FeastWriter
from likewise.serving.parts import Parts
from likewise.serving.registry_releases import RegistryReleases
from likewise.serving.settings import ServingSettings
from likewise.serving.telemetry import Telemetry
from likewise.serving.tracing import traced_reader
from likewise.stores.clock import parse_clock
from likewise.transforms.registry import Registry


def open_parts(settings: ServingSettings) -> Parts:
    """Return the parts that settings name; connections open at their first use.

    Raises
    ------
    LikewiseError
        The repository or the registry can't be used; the text says what to do.
    """
    telemetry = Telemetry(settings.otlp_endpoint) if settings.otlp_endpoint else None
    watch = traced_reader(telemetry) if telemetry else None
    repository = FeastRepository(settings.repo, parse_clock(settings.clock), watch)
    registry = Registry(settings.registry, settings.blobs, create=False) if settings.releases else None
    releases = None
    if registry is not None:
        releases = RegistryReleases(registry, repository, settings.on_stale, settings.on_moved_definitions)
    return Parts(
        catalog=repository,
        writer=FeastWriter(repository.store),
        releases=releases,
        registry=registry,
        heal=repository.heal,
        close=repository.aclose,
        telemetry=telemetry,
    )
