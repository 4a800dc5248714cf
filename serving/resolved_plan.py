"""What resolving features gives: a plan, and the code that it computes with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib import import_module

from likewise.serving.on_demand import OnDemandCode
from likewise.serving.plan import FeaturePlan


@dataclass(frozen=True, slots=True)
class ResolvedPlan:
    """A plan and the on-demand views (Feast's own objects, with their code) that it computes."""

    plan: FeaturePlan
    on_demand: Mapping[str, OnDemandCode]

    def is_same_as(self, other: "ResolvedPlan") -> bool:
        """Whether both read and compute the same."""
        return self.plan == other.plan and self.code() == other.code()

    def code(self) -> dict[str, str | None]:
        """Return the source text of each on-demand view."""
        return {name: getattr(view.feature_transformation, "udf_string", None) for name, view in self.on_demand.items()}

    def restricted_to(self, references: Collection[str]) -> "ResolvedPlan":
        """Return the plan that serves only some of the features (what it reads stays)."""
        kept = tuple(item for item in self.plan.served if f"{item.view}:{item.field.name}" in references)
        return ResolvedPlan(replace(self.plan, served=kept), self.on_demand)


def opened(code: Mapping[str, bytes]) -> Mapping[str, OnDemandCode]:
    """Return on-demand views from Feast's messages of them; where there is one, this imports Feast."""
    if not code:
        return {}
    # Feast costs 5 s and 60 MB; it is needed only to open on-demand views, which are its own.
    views: Mapping[str, OnDemandCode] = import_module("likewise.serving.on_demand_code").views_of(code)
    return views
