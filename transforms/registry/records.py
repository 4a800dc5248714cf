"""What the registry's tables say, as frozen rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TransformVersion:
    """A published version of a transform.

    Attributes
    ----------
    name, version
        Its reference is `transform:NAME:VERSION`.
    digest
        Identity of the transform: what it computes.
    blob
        Digest of the artifact's bytes, which hold provenance too.
    size_bytes, feature_service, created_at, created_by, note
        As published.
    verified_at, verified_by
        When a pipeline vouched for the rows it was fitted on, and who ran it; None while nobody has.
    is_new
        Whether the call that returned this made the version; the same transform published again keeps its version.
    """

    name: str
    version: int
    digest: str
    blob: str
    size_bytes: int
    feature_service: str | None
    created_at: datetime
    created_by: str
    note: str | None
    verified_at: datetime | None
    verified_by: str | None
    is_new: bool = field(default=False, compare=False)

    @property
    def verified(self) -> bool:
        """Whether a pipeline vouches for it."""
        return self.verified_at is not None

    @property
    def reference(self) -> str:
        """Return `transform:NAME:VERSION`."""
        return f"transform:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model the registry keeps; `runtime` is what its metadata says, if it says."""

    digest: str
    file_count: int
    size_bytes: int
    runtime: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class ReleaseVersion:
    """A published version of a release, without its manifest; `transform` is a digest, `is_new` as of a transform."""

    name: str
    version: int
    digest: str
    transform: str
    feature_service: str
    created_at: datetime
    created_by: str
    is_new: bool = field(default=False, compare=False)

    @property
    def reference(self) -> str:
        """Return `release:NAME:VERSION`."""
        return f"release:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Alias:
    """A movable name of a release and where it points now."""

    name: str
    alias: str
    version: int


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One line of the log: who moved an alias from where to where, when and why.

    `from_version` is None for an alias that was new.
    """

    name: str
    alias: str
    from_version: int | None
    to_version: int
    moved_at: datetime
    moved_by: str
    why: str
