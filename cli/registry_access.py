"""Opens the registry that the settings name."""

from likewise.cli.settings import Settings, load_settings
from likewise.transforms.registry import Registry

# The alias that runs promote and the server serves by default.
ALIAS = "prod"


def open_registry(settings: Settings | None = None, *, create: bool = True) -> Registry:
    """Return the registry of the settings (by default of the environment), made if it may be and is not there."""
    chosen = settings or load_settings()
    return Registry(chosen.registry, chosen.blobs, create=create)
