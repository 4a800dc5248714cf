"""What the registry asks of a fitted transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class NamedOutput(Protocol):
    """A tensor of a transform, by name."""

    @property
    def name(self) -> str:
        """The tensor's name."""
        ...


class PublishableTransform(Protocol):
    """A fitted transform: named, identified by its digest, written as bytes."""

    @property
    def name(self) -> str:
        """What versions are counted under."""
        ...

    @property
    def feature_service(self) -> str:
        """The service whose features it reads."""
        ...

    @property
    def digest(self) -> str:
        """Identity: `sha256:` and 64 hexadecimal digits."""
        ...

    @property
    def outputs(self) -> Sequence[NamedOutput]:
        """The tensors it gives, in order."""
        ...

    def to_bytes(self) -> bytes:
        """Return the artifact."""
        ...
