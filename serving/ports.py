"""Ports of the features role: what the routes need of a Feast repository."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from likewise.serving.feast_answer import FeastAnswer
from likewise.serving.online import OnlineReader


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """What features a caller asks for, hashable so that its reader is resolved once.

    Attributes
    ----------
    service
        A feature service; it wins over references.
    references
        `view:feature`, in the order of the answer.
    full_names
        Whether features are called `view__feature`.
    """

    service: str | None
    references: tuple[str, ...] = ()
    full_names: bool = False


@dataclass(frozen=True, slots=True)
class ServedFeatures:
    """What answers a feature request: reads its features and writes the answer."""

    reader: OnlineReader
    answer: FeastAnswer


def serve_features(reader: OnlineReader) -> ServedFeatures:
    """Return what answers by a reader."""
    return ServedFeatures(reader, FeastAnswer(reader.plan))


class FeatureSource(Protocol):
    """Where features come from: looked at again now and then, and asked whether it is there."""

    def refresh(self) -> None:
        """Look at the Feast registry again; readers whose definitions are unchanged stay."""
        ...

    def is_reachable(self) -> bool:
        """Whether the online store answers."""
        ...


class FeatureCatalog(FeatureSource, Protocol):
    """Finds what answers a feature request."""

    def known(self, request: FeatureRequest) -> ServedFeatures | None:
        """Return it if it has been resolved already; never blocks."""
        ...

    def resolve(self, request: FeatureRequest) -> ServedFeatures:
        """Return it, resolved against the registry (milliseconds, blocking)."""
        ...


class FeatureWriter(Protocol):
    """Writes feature values; every call blocks."""

    def push(self, source: str, table: Mapping[str, Sequence[Any]], to: str) -> None:
        """Write rows of a push source: `online`, `offline` or `online_and_offline`."""
        ...

    def write(self, view: str, table: Mapping[str, Sequence[Any]]) -> None:
        """Write rows of a feature view to the online store."""
        ...
