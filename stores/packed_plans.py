"""Which rows Feast's requests mean: views as they are stored, worked out once, and the keys of the entities asked."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from feast import FeatureView, RepoConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from likewise.stores.packed_request import OnlineRequest, ViewRead, prefixed_keys, view_keys
from likewise.stores.packed_resolve import Resolved
from likewise.stores.packed_views import StoredView, entity_values, stored_view

_VIEWS_REMEMBERED: Final = 1024


class ReadPlanner:
    """Makes reads of requests.

    Parameters
    ----------
    now
        What TTLs are measured against: microseconds since 1970 UTC.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._views: dict[tuple[int, str], tuple[Any, StoredView]] = {}

    def of_resolved(self, config: RepoConfig, resolved: Resolved) -> OnlineRequest:
        """Return the reads of a whole request."""
        views = []
        for table, features in resolved.tables:
            view = self._remembered_view(config, table)
            views.append(
                ViewRead(
                    view=view,
                    features=tuple(features),
                    names=resolved.names(table, features),
                    keys=view_keys(view, table, resolved.join_key_values),
                    report_only=reports_only(config, table.name),
                    metadata=resolved.metadata(table),
                )
            )
        return OnlineRequest(config.project, tuple(views), self._now())

    def of_view(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: Sequence[EntityKey],
        features: Sequence[str] | None,
    ) -> OnlineRequest:
        """Return the read of some features (None: all) of one view."""
        view = self._remembered_view(config, table)
        names = tuple(features or [field.name for field in table.features])
        keys = prefixed_keys(view, entity_values(entity_keys)) if entity_keys else []
        read = ViewRead(view, names, names, keys, reports_only(config, table.name))
        return OnlineRequest(config.project, (read,), self._now())

    def _remembered_view(self, config: RepoConfig, table: FeatureView) -> StoredView:
        """Return how a view is stored, worked out once for each object: Feast keeps them between requests."""
        place = (id(table), config.project)
        known = self._views.get(place)
        if known is None or known[0] is not table:
            if len(self._views) >= _VIEWS_REMEMBERED:
                self._views.clear()
            known = self._views[place] = (table, stored_view(config, table))
        return known[1]


def reports_only(config: RepoConfig, view: str) -> bool:
    """Return whether a view's TTL is reported but not enforced."""
    setting = getattr(config.online_store, "ttl_report_only", False)
    return setting if isinstance(setting, bool) else view in setting
