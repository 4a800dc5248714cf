"""The real parts of a worker that starts from a release directory: no registry, no Feast repository, no Feast."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from redis.exceptions import RedisError

from likewise.serving.directory_releases import DirectoryReleases
from likewise.serving.errors import ReleaseDirectoryError, SettingsError
from likewise.serving.on_demand import OnDemandView
from likewise.serving.online import OnlineReader
from likewise.serving.packed_views import PackedViews
from likewise.serving.parts import Parts
from likewise.serving.plan import FeaturePlan
from likewise.serving.plan_catalog import PlanCatalog
from likewise.serving.release_dir import Features, StorePlace, read_release_dir
from likewise.serving.settings import ServingSettings
from likewise.serving.store_link import StoreLink
from likewise.serving.telemetry import Telemetry
from likewise.serving.tracing import traced_reader
from likewise.stores.clock import Clock, parse_clock
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
    link = _link(content.features.store)
    read = _reading(folder, content.features, link, settings)
    if telemetry is not None:
        read = _traced(read, traced_reader(telemetry))

    def is_reachable() -> bool:
        try:
            return bool(link.sync().ping())
        except (RedisError, OSError):
            return False

    return Parts(
        catalog=PlanCatalog(content.features.plan, read, is_reachable),
        releases=DirectoryReleases(content, read, settings.on_stale),
        heal=link.relocate,
        close=link.aclose,
        telemetry=telemetry,
    )


def _link(place: StorePlace) -> StoreLink:
    address = os.environ.get(ENVIRONMENT_URL, "").strip() or place.connection_string
    if address is None:
        raise SettingsError(ENVIRONMENT_URL, "the address of the online store (its own has a password)", "nothing")
    return StoreLink(place.project, address, None, Topology(place.kind, place.sentinel_master))


def _reading(
    folder: Path, features: Features, link: StoreLink, settings: ServingSettings
) -> Callable[[FeaturePlan], OnlineReader]:
    clock: Clock = parse_clock(settings.clock)
    if features.code and not settings.allow_code:
        views = ", ".join(sorted(features.code))
        reason = f"its on-demand views ({views}) are code, which runs only if you trust whoever made the directory"
        raise ReleaseDirectoryError(folder, reason, "serve it with --allow-code")
    # Feast costs 5 s and 190 MB; it is needed only to open on-demand views, which are its own.
    code = import_module("likewise.serving.on_demand_code").views_of(features.code) if features.code else {}

    def read(plan: FeaturePlan) -> OnlineReader:
        views = tuple(OnDemandView(view, code[view.name]) for view in plan.computed)
        return OnlineReader(plan, PackedViews(link, plan, clock), views, clock)

    return read


def _traced(
    read: Callable[[FeaturePlan], OnlineReader], watch: Callable[[OnlineReader], OnlineReader]
) -> Callable[[FeaturePlan], OnlineReader]:
    return lambda plan: watch(read(plan))
