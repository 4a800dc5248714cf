"""Opens the registry that the settings name."""

from likewise.cli.settings import Settings
from likewise.transforms import FittedTransform
from likewise.transforms.registry import Registry


def open_registry(settings: Settings) -> Registry:
    """Return the registry, made if it is not there yet."""
    return Registry(settings.registry, settings.blobs, open_transform=FittedTransform.from_bytes)
