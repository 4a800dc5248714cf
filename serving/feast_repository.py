"""A user's Feast repository, opened for serving: its registry, its online store, readers of its features."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from feast import FeatureStore
from feast.errors import FeastError

from likewise.serving.errors import ReleaseRefusedError, SettingsError
from likewise.serving.feast_plan import resolve_references, resolve_service
from likewise.serving.linked_store import LinkedStore
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.on_demand_code import code_of
from likewise.serving.online import OnlineReader
from likewise.serving.ports import FeatureRequest, ServedFeatures, serve_features
from likewise.serving.release_dir import Features, StorePlace
from likewise.serving.resolved_plan import ResolvedPlan
from likewise.serving.store_link import StoreLink
from likewise.stores.clock import Clock
from likewise.stores.definition_parts import DefinitionParts
from likewise.stores.definitions import describe_definitions
from likewise.stores.packed_clients import Topology
from likewise.stores.packed_redis import PackedRedisOnlineStore
from likewise.stores.redis_url import EMBEDDED, embedded_directory, masked

logger = logging.getLogger(__name__)

# A client that asks for ever new lists of references must not fill the memory.
READERS_KEPT = 256


class FeastRepository(LinkedStore):
    """Opens a repository once; thread-safe.

    Parameters
    ----------
    repo
        The folder of `feature_store.yaml`.
    clock
        What TTLs are measured against.
    watch
        Returns a reader that is watched (traces); None: readers are as they are.

    Raises
    ------
    SettingsError
        There is no repository, Feast refuses it, or its online store is not ours.
    """

    def __init__(self, repo: Path, clock: Clock, watch: Callable[[OnlineReader], OnlineReader] | None = None) -> None:
        self.store = _open(repo)
        config = self.store.config
        online = self.store._get_provider().online_store  # noqa: SLF001  Feast has no public way to its store
        if not isinstance(online, PackedRedisOnlineStore):
            got = type(online).__name__
            raise SettingsError("online_store", "likewise.stores.packed_redis.PackedRedisOnlineStore", got)
        settings = config.online_store
        topology = Topology(settings.redis_type.value, settings.sentinel_master)
        link = StoreLink(config.project, settings.connection_string, config.repo_path, topology)
        super().__init__(link, clock, watch)
        self._lock = threading.Lock()
        self._readers: dict[FeatureRequest, tuple[ResolvedPlan, ServedFeatures]] = {}

    @property
    def project(self) -> str:
        """Return Feast's project."""
        return self.store.project

    def known(self, request: FeatureRequest) -> ServedFeatures | None:
        """Return what answers if it has been resolved already."""
        found = self._readers.get(request)
        return found[1] if found else None

    def resolve(self, request: FeatureRequest) -> ServedFeatures:
        """Return what answers, resolved against the registry."""
        with self._lock:
            resolved = self._resolve(request)
            if len(self._readers) >= READERS_KEPT:
                self._readers.pop(next(iter(self._readers)))
            served = serve_features(self.reader(resolved))
            self._readers[request] = (resolved, served)
            return served

    def features_of(self, release: LoadedRelease) -> Features:
        """Return what a loaded release reads, as data that a release directory keeps.

        Raises
        ------
        ReleaseRefusedError
            The definitions are no longer those that it pinned, so nothing here says what it was made with.
        """
        if release.identity.moved:
            moved = ", ".join(release.identity.moved)
            raise ReleaseRefusedError(release.identity.reference, f"definitions moved: {moved}")
        plan, config = release.reader.plan, self.store.config
        code = code_of({view.plan.name: view.code for view in release.reader.on_demand})
        fingerprint = self.definitions(plan.service or "").fingerprint
        online = config.online_store
        place = StorePlace(
            project=config.project,
            connection_string=_without_secrets(online.connection_string, config.repo_path),
            kind=online.redis_type.value,
            sentinel_master=online.sentinel_master,
        )
        return Features(plan, fingerprint, place, code)

    def plan_of(self, service: str) -> ResolvedPlan:
        """Return the plan of a service, features by their full names only where short ones collide."""
        with self._lock:
            return resolve_service(self.store, service, full_names=None)

    def definitions(self, service: str) -> DefinitionParts:
        """Return what the definitions of a service are now."""
        return describe_definitions(self.store, service)

    def refresh(self) -> None:
        """Read the Feast registry again; readers whose definitions changed are replaced, the others stay."""
        with self._lock:
            self.store.refresh_registry()  # type: ignore[no-untyped-call]
            for request, (resolved, _) in tuple(self._readers.items()):
                self._refresh(request, resolved)

    def _refresh(self, request: FeatureRequest, before: ResolvedPlan) -> None:
        try:
            now = self._resolve(request)
        except (FeastError, ValueError) as error:
            # The next caller gets the error in full; here it is only noted that the reader is gone.
            logger.warning("%s can no longer be resolved: %s", request.service or request.references, error)
            self._readers.pop(request)
            return
        if not now.is_same_as(before):
            self._readers[request] = (now, serve_features(self.reader(now)))

    def _resolve(self, request: FeatureRequest) -> ResolvedPlan:
        if request.service is not None:
            return resolve_service(self.store, request.service, full_names=request.full_names)
        return resolve_references(self.store, request.references, full_names=request.full_names)


def _without_secrets(connection_string: str, base: Path | None) -> str | None:
    """Return a connection string that may be copied to other machines; None where it holds a password."""
    if connection_string.startswith(EMBEDDED):
        return f"{EMBEDDED}{embedded_directory(connection_string, base).resolve()}"
    return connection_string if masked(connection_string) == connection_string else None


def _open(repo: Path) -> FeatureStore:
    if not (repo / "feature_store.yaml").is_file():
        raise SettingsError("repo", "a folder with feature_store.yaml (`--repo`, LIKEWISE_REPO)", str(repo))
    try:
        return FeatureStore(repo_path=str(repo.resolve()))
    except Exception as error:  # Feast raises bare exceptions of many kinds for a bad yaml
        raise SettingsError("repo", "a repository that Feast accepts", f"{repo}: {error}") from error
