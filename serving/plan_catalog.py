"""Features by Feast's API from one resolved plan, without a Feast registry: those of a release directory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from likewise.serving.errors import CollidingNamesError, UnknownFeatureError, UnknownFeatureServiceError
from likewise.serving.online import OnlineReader
from likewise.serving.plan import FeaturePlan
from likewise.serving.ports import FeatureRequest, ServedFeatures, serve_features

READERS_KEPT = 256  # a client that asks for ever new lists of references must not fill the memory


class PlanCatalog:
    """A `FeatureCatalog` that knows one feature service, or any of its features by reference.

    Parameters
    ----------
    plan
        Of the service.
    read
        Makes a reader of a plan.
    is_reachable
        Whether the online store answers.
    """

    def __init__(
        self, plan: FeaturePlan, read: Callable[[FeaturePlan], OnlineReader], is_reachable: Callable[[], bool]
    ) -> None:
        self._plan, self._read, self._is_reachable = plan, read, is_reachable
        self._served: dict[FeatureRequest, ServedFeatures] = {}

    def known(self, request: FeatureRequest) -> ServedFeatures | None:
        """Return what answers if it has been resolved already."""
        return self._served.get(request)

    def resolve(self, request: FeatureRequest) -> ServedFeatures:
        """Return what answers.

        Raises
        ------
        UnknownFeatureServiceError, UnknownFeatureError, CollidingNamesError
            It is not among what the directory holds.
        """
        if len(self._served) >= READERS_KEPT:
            self._served.pop(next(iter(self._served)))
        served = self._served[request] = serve_features(self._read(self._chosen(request)))
        return served

    def refresh(self) -> None:
        """Change nothing: a directory never moves."""

    def is_reachable(self) -> bool:
        """Whether the online store answers."""
        return self._is_reachable()

    def _chosen(self, request: FeatureRequest) -> FeaturePlan:
        if request.service is not None:
            if request.service != self._plan.service:
                raise UnknownFeatureServiceError(request.service, [self._plan.service or ""])
            return _named(self._plan, full_names=request.full_names)
        by_reference = dict(zip(self._plan.references, self._plan.served, strict=True))
        for reference in request.references:
            if reference not in by_reference:
                raise UnknownFeatureError(reference, list(by_reference))
        served = tuple(by_reference[reference] for reference in dict.fromkeys(request.references))
        return _named(_needed(replace(self._plan, service=None, served=served)), full_names=request.full_names)


def _needed(plan: FeaturePlan) -> FeaturePlan:
    """Return a plan that reads, computes and asks for no more than its served features take."""
    views = {item.view for item in plan.served}
    computed = tuple(view for view in plan.computed if view.name in views)
    inputs = {name for view in computed for name in view.inputs}
    stored = tuple(
        view
        for view in plan.stored
        if view.name in views or any(f"{view.name}__{field.name}" in inputs for field in view.fields)
    )
    keys = {key.in_request for view in stored for key in view.keys}
    return replace(
        plan,
        stored=stored,
        computed=computed,
        join_keys=tuple(field for field in plan.join_keys if field.name in keys),
        request_fields=tuple(field for field in plan.request_fields if field.name in inputs),
    )


def _named(plan: FeaturePlan, *, full_names: bool) -> FeaturePlan:
    short = Counter(item.field.name for item in plan.served)
    colliding = sorted(name for name, count in short.items() if count > 1)
    if colliding and not full_names:
        raise CollidingNamesError(colliding)
    served = (replace(item, column=item.full_name if full_names else item.field.name) for item in plan.served)
    return replace(plan, served=tuple(served))
