"""What every repository does with the online store that it is linked to, whoever resolved its features."""

from collections.abc import Callable

from redis.exceptions import RedisError

from likewise.serving.on_demand import OnDemandView
from likewise.serving.online import OnlineReader
from likewise.serving.packed_views import PackedViews
from likewise.serving.resolved_plan import ResolvedPlan
from likewise.serving.store_link import StoreLink
from likewise.stores.clock import Clock


class LinkedStore:
    """Reads features from an online store, and looks after the connections to it.

    Parameters
    ----------
    link
        The connections.
    clock
        What TTLs are measured against.
    watch
        Returns a reader that is watched (traces); None: readers are as they are.
    """

    def __init__(
        self, link: StoreLink, clock: Clock, watch: Callable[[OnlineReader], OnlineReader] | None = None
    ) -> None:
        self.link, self._clock, self._watch = link, clock, watch

    def reader(self, resolved: ResolvedPlan) -> OnlineReader:
        """Return a reader of a resolved plan."""
        plan = resolved.plan
        views = tuple(OnDemandView(view, resolved.on_demand[view.name]) for view in plan.computed)
        reader = OnlineReader(plan, PackedViews(self.link, plan, self._clock), views, self._clock)
        return reader if self._watch is None else self._watch(reader)

    def is_reachable(self) -> bool:
        """Whether the online store answers."""
        try:
            return bool(self.link.sync().ping())
        except (RedisError, OSError):
            return False

    def heal(self) -> None:
        """Look where the embedded server is now, after it did not answer."""
        self.link.relocate()

    async def aclose(self) -> None:
        """Close the connections."""
        await self.link.aclose()
