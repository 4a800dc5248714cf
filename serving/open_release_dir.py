"""The real parts of a worker that starts from a release directory: no registry, no Feast repository, no Feast."""

import os
from collections.abc import Mapping
from pathlib import Path

from likewise.serving.directory_releases import DirectoryReleases
from likewise.serving.errors import ReleaseDirectoryError, SettingsError
from likewise.serving.linked_store import LinkedStore
from likewise.serving.on_demand import OnDemandCode
from likewise.serving.online import OnlineReader
from likewise.serving.parts import Parts
from likewise.serving.plan import FeaturePlan
from likewise.serving.plan_catalog import PlanCatalog
from likewise.serving.release_dir import Features, StorePlace, read_release_dir
from likewise.serving.resolved_plan import ResolvedPlan, opened
from likewise.serving.settings import ServingSettings
from likewise.serving.store_link import StoreLink
from likewise.serving.telemetry import Telemetry
from likewise.serving.tracing import traced_reader
from likewise.stores.clock import parse_clock
from likewise.stores.packed_clients import Topology
from likewise.stores.redis_url import ENVIRONMENT_URL


def open_parts(settings: ServingSettings) -> Parts:
    """Return the parts of a server of `settings.release_dir`; connections open at their first use.

    Raises
    ------
    LikewiseError
        The directory is damaged, holds code that is not allowed, or does not say where the online store is.
    """
    folder = settings.release_dir or Path()
    content = read_release_dir(folder)
    telemetry = Telemetry(settings.otlp_endpoint) if settings.otlp_endpoint else None
    watch = traced_reader(telemetry) if telemetry else None
    store = LinkedStore(_link(content.features.store), parse_clock(settings.clock), watch)
    code = _code(folder, content.features, settings)

    def read(plan: FeaturePlan) -> OnlineReader:
        return store.reader(ResolvedPlan(plan, code))

    return Parts(
        catalog=PlanCatalog(content.features.plan, read, store.is_reachable),
        releases=DirectoryReleases(content, read, settings.on_stale),
        heal=store.heal,
        close=store.aclose,
        telemetry=telemetry,
    )


def _link(place: StorePlace) -> StoreLink:
    address = os.environ.get(ENVIRONMENT_URL, "").strip() or place.connection_string
    if address is None:
        raise SettingsError(ENVIRONMENT_URL, "the address of the online store (its own has a password)", "nothing")
    return StoreLink(place.project, address, None, Topology(place.kind, place.sentinel_master))


def _code(folder: Path, features: Features, settings: ServingSettings) -> Mapping[str, OnDemandCode]:
    if features.code and not settings.allow_code:
        views = ", ".join(sorted(features.code))
        reason = f"its on-demand views ({views}) are code, which runs only if you trust whoever made the directory"
        raise ReleaseDirectoryError(folder, reason, "serve it with --allow-code")
    return opened(features.code)
