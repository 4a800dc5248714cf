"""Loads and proves a release for commands that answer without a server."""

from likewise.cli.errors import NothingToServeError
from likewise.cli.registry_access import open_registry
from likewise.cli.settings import Settings
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.registry_releases import RegistryReleases
from likewise.stores.clock import parse_clock


def release_source(settings: Settings) -> RegistryReleases:
    """Return the source of releases over the settings' registry, Feast repository and clock."""
    repository = FeastRepository(settings.repo, parse_clock(settings.clock))
    return RegistryReleases(open_registry(settings, create=False), repository)


def load_release(settings: Settings, reference: str) -> LoadedRelease:
    """Return the release that `NAME@ALIAS` or `NAME:VERSION` names, proved on this machine."""
    if not reference.strip():
        raise NothingToServeError(settings.registry, "prod")
    source = release_source(settings)
    name = reference.removeprefix("release:").partition("@")[0].partition(":")[0]
    return source.load(name, source.version_of(reference.removeprefix("release:")))
