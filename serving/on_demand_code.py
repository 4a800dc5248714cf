"""Feast's on-demand views from their protobuf messages. Reading one runs code: only for who may be trusted."""

from collections.abc import Mapping

from feast import OnDemandFeatureView
from feast.protos.feast.core.OnDemandFeatureView_pb2 import OnDemandFeatureView as OnDemandFeatureViewProto

from likewise.serving.on_demand import OnDemandCode


def code_of(views: Mapping[str, OnDemandCode]) -> dict[str, bytes]:
    """Return the protobuf messages of on-demand views, which are Feast's own, by name."""
    return {name: view.to_proto().SerializeToString() for name, view in views.items()}  # type: ignore[attr-defined]


def views_of(code: Mapping[str, bytes]) -> dict[str, OnDemandFeatureView]:
    """Return on-demand views by name; Feast unpickles the function that each message holds."""
    return {
        name: OnDemandFeatureView.from_proto(OnDemandFeatureViewProto.FromString(content))
        for name, content in code.items()
    }
