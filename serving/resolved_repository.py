"""A user's Feast repository as a worker without Feast knows it: resolved elsewhere, asked again when it changed."""

import threading
from collections.abc import Callable, Collection
from pathlib import Path

from likewise.serving.linked_store import LinkedStore
from likewise.serving.online import OnlineReader
from likewise.serving.registry_file import RegistryFile
from likewise.serving.resolution import Resolution, ResolvedService
from likewise.serving.resolved_plan import ResolvedPlan, opened
from likewise.serving.resolver import Question
from likewise.serving.shared_answers import SharedAnswers
from likewise.serving.store_link import StoreLink
from likewise.stores.clock import Clock
from likewise.stores.definition_parts import DefinitionParts
from likewise.stores.packed_clients import Topology
from likewise.transforms.errors import LikewiseError


class ResolvedRepository(LinkedStore):
    """A `FeatureRepository` and a `FeatureSource`; thread-safe.

    Parameters
    ----------
    repo
        The folder of `feature_store.yaml`.
    known
        What it said when it was asked last.
    clock
        What TTLs are measured against.
    watch
        Returns a reader that is watched (traces); None: readers are as they are.
    answers
        What the server's workers were told; None: there are no others.
    """

    def __init__(
        self,
        repo: Path,
        known: Resolution,
        clock: Clock,
        watch: Callable[[OnlineReader], OnlineReader] | None = None,
        answers: SharedAnswers | None = None,
    ) -> None:
        self._repo = repo.resolve()
        topology = Topology(known.kind, known.sentinel_master)
        super().__init__(StoreLink(known.project, known.connection_string, self._repo, topology), clock, watch)
        self._answers = answers or SharedAnswers()
        self._lock = threading.Lock()
        self._know(known)

    def _know(self, known: Resolution) -> None:
        self._known = known
        self._file = RegistryFile(Path(known.registry_file), known.registry_digest)

    @property
    def project(self) -> str:
        """Return Feast's project."""
        return self._known.project

    def plan_of(self, service: str) -> ResolvedPlan:
        """Return the plan of a service; its on-demand code is opened here, which imports Feast.

        Raises
        ------
        LikewiseError
            It can't be resolved.
        """
        found = self._service(service)
        return ResolvedPlan(found.plan, opened(found.code))

    def definitions(self, service: str) -> DefinitionParts:
        """Return what the definitions of a service are, as of the last look at the Feast registry."""
        return self._service(service).definitions

    def _service(self, service: str) -> ResolvedService:
        with self._lock:
            if service not in self._known.services:
                self._know(self._answers.answer([*self._known.services, service], self._ask))
            found = self._known.services[service]
        if isinstance(found, LikewiseError):
            raise found
        return found

    def refresh(self) -> None:
        """Have it asked again if the file of the Feast registry has changed since."""
        with self._lock:
            if not self._file.is_unchanged():
                self._know(self._answers.answer([*self._known.services], self._ask))

    def _ask(self, services: Collection[str]) -> Resolution:
        return Question(self._repo, services).answer()
