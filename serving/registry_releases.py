"""Releases from the registry: resolved against the Feast repository, checked part by part, proved."""

from collections.abc import Mapping
from typing import Protocol

from likewise.models import load_predictor
from likewise.serving.errors import ReleaseRefusedError, UnknownFeatureServiceError
from likewise.serving.loaded_release import LoadedRelease, Predictor, ReleaseIdentity
from likewise.serving.online import OnlineReader
from likewise.serving.release_checks import check_inputs, check_one_node
from likewise.serving.resident import split_reference, tell_moved
from likewise.serving.resolved_plan import ResolvedPlan
from likewise.serving.settings import OnMovedDefinitions, OnStale
from likewise.stores.definition_parts import DefinitionParts
from likewise.stores.errors import FeatureServiceUnknownError
from likewise.transforms.registry import Registry, Release


class FeatureRepository(Protocol):
    """Port to the Feast repository: what its definitions are, and readers of its online store."""

    @property
    def project(self) -> str:
        """Return Feast's project."""
        ...

    def plan_of(self, service: str) -> ResolvedPlan:
        """Return the plan of a service, features by their full names only where short ones collide."""
        ...

    def definitions(self, service: str) -> DefinitionParts:
        """Return what the definitions of a service are now."""
        ...

    def reader(self, resolved: ResolvedPlan) -> OnlineReader:
        """Return a reader of a resolved plan."""
        ...


class RegistryReleases:
    """A `ReleaseSource` over the registry and a Feast repository.

    Parameters
    ----------
    registry
        Holds manifests, transforms and models.
    repository
        Where features are read; it must be the Feast project that releases name.
    on_stale, on_moved_definitions
        The server's choices.
    """

    def __init__(
        self,
        registry: Registry,
        repository: FeatureRepository,
        on_stale: OnStale = "missing",
        on_moved_definitions: OnMovedDefinitions = "alarm",
    ) -> None:
        self._registry, self._repository = registry, repository
        self._on_stale, self._on_moved = on_stale, on_moved_definitions

    def version_of(self, reference: str) -> int:
        """Return the version that a reference names now: one small query."""
        name, mark = split_reference(reference)
        if mark.startswith("@"):
            for alias in self._registry.aliases(name):
                if alias.alias == mark[1:]:
                    return alias.version
        # A missing alias or a version: the registry checks it, and says what there is instead.
        return self._registry.release(reference).version

    def load(self, name: str, version: int) -> LoadedRelease:
        """Return a release, proved on this machine.

        Raises
        ------
        LikewiseError
            Its features, transform or models do not fit together here, or it failed its proof.
        """
        release = self._registry.release(f"release:{name}:{version}")
        reference = f"{release.name}:{release.version}"
        here = self._repository.project
        if release.feast_project != here:
            raise ReleaseRefusedError(reference, f"it reads Feast project {release.feast_project!r}, this is {here!r}")
        moved = self._moved(release)
        if moved:
            tell_moved(reference, moved)
            if self._on_moved == "refuse":
                raise ReleaseRefusedError(reference, f"definitions moved: {', '.join(moved)}")
        resolved = _pinned(release, self._repository.plan_of(release.feature_service))
        transform = self._registry.load(f"transform:{release.transform}")
        check_inputs(reference, release, resolved.plan, transform)
        loaded = LoadedRelease(
            identity=_identity(release, moved),
            reader=self._repository.reader(resolved),
            transform=transform,
            predictor=self._predictor(release),
            refuse_stale=self._on_stale == "refuse",
        )
        loaded.prove()
        return loaded

    def moved(self, release: LoadedRelease) -> tuple[str, ...]:
        """Return the parts of the definitions that are not as the release pinned them."""
        pinned = self._registry.release(f"release:{release.identity.reference}")
        try:
            return self._moved(pinned)
        except (FeatureServiceUnknownError, UnknownFeatureServiceError):  # moved as far as anything can
            return (f"service:{pinned.feature_service}",)

    def _moved(self, release: Release) -> tuple[str, ...]:
        now = self._repository.definitions(release.feature_service)
        if now.fingerprint == release.definitions_fingerprint:
            return ()
        return now.differences(release.definitions) or ("definitions",)

    def _predictor(self, release: Release) -> Predictor | None:
        if not release.nodes:
            return None
        check_one_node(f"{release.name}:{release.version}", release)
        return load_predictor(self._registry.get_model(release.nodes[0].artifact))


def _pinned(release: Release, resolved: ResolvedPlan) -> ResolvedPlan:
    """Return the plan of exactly the features that the release pinned."""
    now, pinned = set(resolved.plan.references), set(release.feature_refs)
    gone = sorted(pinned - now)
    if gone:
        reference = f"{release.name}:{release.version}"
        service = release.feature_service
        raise ReleaseRefusedError(reference, f"feature service {service!r} no longer has {', '.join(gone)}")
    return resolved if pinned == now else resolved.restricted_to(pinned)


def _identity(release: Release, moved: tuple[str, ...]) -> ReleaseIdentity:
    metrics: Mapping[str, object] = dict(release.metrics)
    return ReleaseIdentity(
        name=release.name,
        version=release.version,
        digest=release.digest,
        transform=release.transform,
        moved=moved,
        metrics=metrics,
        created_at=release.created_at.isoformat(),
    )
