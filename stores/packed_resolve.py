"""What a Feast online request means: views, names, join keys; and the response made of their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast import utils
from feast.feature_service import FeatureService
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.base_registry import BaseRegistry
from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse

from likewise.stores.packed_response import PackedOnlineResponse, ViewAnswer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as Feast hands it over."""

    features: list[str] | FeatureService
    entity_rows: list[dict[str, Any]] | Mapping[str, Any]
    full_names: bool
    with_versions: bool


@dataclass(frozen=True, slots=True)
class Resolved:
    """A request with everything looked up that the Feast registry knows.

    Parameters
    ----------
    base
        The response so far: join keys and request data.
    tables
        (feature view, its requested features).
    on_demand
        The on-demand views to run over what is read.
    row_names
        The names that the response keeps.
    """

    asked: Asked
    base: GetOnlineFeaturesResponse
    tables: Sequence[tuple[Any, list[str]]]
    join_key_values: Mapping[str, Sequence[Any]]
    on_demand: list[Any]
    references: list[str]
    row_names: set[str]

    def names(self, table: Any, features: Sequence[str]) -> tuple[str, ...]:
        """Return what a view's features are called in the response."""
        if not self.asked.full_names:
            return tuple(features)
        return tuple(f"{table.projection.name_to_use()}__{feature}" for feature in features)

    def metadata(self, table: Any) -> tuple[str, int] | None:
        """Return a view's name and version where the request asks for them."""
        if not self.asked.with_versions:
            return None
        name = table.projection.name_alias or table.projection.name
        return name, getattr(table, "current_version_number", 0) or 0

    def response(self, answers: Sequence[ViewAnswer]) -> OnlineResponse:
        """Return the response; on-demand views are run now, everything else waits until it is asked for."""
        if not self.on_demand:
            utils._drop_unneeded_columns(self.base, self.row_names)  # noqa: SLF001
            return PackedOnlineResponse(self.base, answers)
        types = OnlineStore._build_feature_types(list(self.tables))  # noqa: SLF001  static, and Feast's own stores call it
        for answer in answers:
            answer.append_to(self.base)
        utils._augment_response_with_on_demand_transforms(  # noqa: SLF001
            self.base, self.references, self.on_demand, self.asked.full_names, feature_types=types
        )
        utils._drop_unneeded_columns(self.base, self.row_names)  # noqa: SLF001
        return OnlineResponse(self.base, feature_types=types)


def resolve(registry: BaseRegistry, project: str, asked: Asked) -> Resolved:
    """Look a request up in the Feast registry (Feast caches this between refreshes)."""
    values, tables, _, on_demand, references, row_names, base = utils._prepare_entities_to_read_from_online_store(  # noqa: SLF001
        registry=registry,
        project=project,
        features=asked.features,
        entity_values=_columnar(asked.entity_rows),
        full_feature_names=asked.full_names,
        native_entity_values=True,
    )
    return Resolved(asked, base, tables, values, on_demand, references, row_names)


def _columnar(rows: list[dict[str, Any]] | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(rows, list):
        return rows
    names = rows[0].keys()
    if any(row.keys() != names for row in rows):
        raise ValueError("All entity_rows must have the same keys.")
    return {name: [row[name] for row in rows] for name in names}
