"""The real parts of a worker that only predicts: registry and Feast repository as ever, but no Feast in the worker."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from likewise.serving.parts import Parts
from likewise.serving.registry_file import has_registry_file
from likewise.serving.registry_releases import RegistryReleases
from likewise.serving.resolution import Resolution
from likewise.serving.resolved_repository import ResolvedRepository
from likewise.serving.resolver import Question
from likewise.serving.settings import ServingSettings
from likewise.serving.shared_answers import SharedAnswers
from likewise.serving.telemetry import Telemetry
from likewise.serving.tracing import traced_reader
from likewise.stores.clock import parse_clock
from likewise.transforms.registry import Registry

_ON_DEMAND = "on_demand:"


def needs_no_feast(settings: ServingSettings) -> bool:
    """Whether a worker can do without Feast: it only predicts, and the Feast registry is a file that can be watched."""
    return "features" not in settings.roles and has_registry_file(settings.repo)


def opener(settings: ServingSettings) -> Callable[[ServingSettings], Parts]:
    """Return what opens the parts of a worker, resolved now: once for all workers that are forked later.

    Raises
    ------
    LikewiseError
        The repository or the registry can't be used; the text says what to do.
    """
    registry = Registry(settings.registry, settings.blobs, create=False)
    releases = [registry.release(reference) for reference in settings.releases]
    question = Question(settings.repo, {release.feature_service for release in releases})
    if any(part.startswith(_ON_DEMAND) for release in releases for part in release.definitions):
        import_module("likewise.serving.on_demand_code")  # meanwhile; workers share what it imports
    answers, known = SharedAnswers(), question.answer()
    answers.keep(known)
    return partial(open_parts, known=known, answers=answers)


def open_parts(settings: ServingSettings, known: Resolution, answers: SharedAnswers) -> Parts:
    """Return the parts of a worker; connections open at their first use.

    Parameters
    ----------
    known
        What the Feast repository said when it was asked last; it is asked again if it has changed since.
    answers
        What workers were told since; shared by them all.
    """
    telemetry = Telemetry(settings.otlp_endpoint) if settings.otlp_endpoint else None
    watch = traced_reader(telemetry) if telemetry else None
    repository = ResolvedRepository(settings.repo, known, parse_clock(settings.clock), watch, answers)
    repository.refresh()  # a worker may be forked days after the server started
    registry = Registry(settings.registry, settings.blobs, create=False) if settings.releases else None
    releases = None
    if registry is not None:
        releases = RegistryReleases(registry, repository, settings.on_stale, settings.on_moved_definitions)
    return Parts(
        source=repository,
        releases=releases,
        registry=registry,
        heal=repository.heal,
        close=repository.aclose,
        telemetry=telemetry,
    )
