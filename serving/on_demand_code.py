"""Feast's on-demand views from their protobuf messages. Reading one runs code: only for who may be trusted."""

from collections.abc import Mapping

from feast import OnDemandFeatureView
from feast.protos.feast.core.OnDemandFeatureView_pb2 import OnDemandFeatureView as OnDemandFeatureViewProto


def views_of(code: Mapping[str, bytes]) -> dict[str, OnDemandFeatureView]:
    """Return on-demand views by name; Feast unpickles the function that each message holds."""
    return {
        name: OnDemandFeatureView.from_proto(OnDemandFeatureViewProto.FromString(content))
        for name, content in code.items()
    }
