"""A feature plan as JSON values and back: what a release directory keeps instead of a Feast registry."""

from datetime import timedelta
from typing import Any

from likewise.serving.plan import ComputedView, FeaturePlan, Field, KeyBinding, Served, StoredView
from likewise.transforms.columns import LogicalType
from likewise.transforms.registry.errors import ManifestError
from likewise.transforms.registry.manifest_fields import Fields

_MICROSECOND = timedelta(microseconds=1)
_WHAT = "feature plan"


def plan_to_json(plan: FeaturePlan) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {
        "service": plan.service,
        "join_keys": [_field(field) for field in plan.join_keys],
        "request_fields": [_field(field) for field in plan.request_fields],
        "stored": [_stored(view) for view in plan.stored],
        "computed": [
            {"name": view.name, "fields": [_field(field) for field in view.fields], "inputs": list(view.inputs)}
            for view in plan.computed
        ],
        "served": [{"view": item.view, "field": _field(item.field), "column": item.column} for item in plan.served],
    }


def _field(field: Field) -> dict[str, str]:
    return {"name": field.name, "type": field.type.value, "feast_type": field.feast_type}


def _stored(view: StoredView) -> dict[str, Any]:
    return {
        "name": view.name,
        "stored_name": view.stored_name,
        "keys": [{"in_view": key.in_view, "in_request": key.in_request} for key in view.keys],
        "fields": [_field(field) for field in view.fields],
        "ttl_microseconds": 0 if view.ttl is None else view.ttl // _MICROSECOND,
        "version": view.version,
        "report_only": view.report_only,
    }


def plan_from_json(value: Any) -> FeaturePlan:
    """Return the plan that JSON values say.

    Raises
    ------
    ManifestError
        A field is absent, unknown or of another type.
    """
    fields = _fields(_WHAT, value, "service", "join_keys", "request_fields", "stored", "computed", "served")
    return FeaturePlan(
        service=fields.text("service"),
        join_keys=_read_fields(fields, "join_keys"),
        request_fields=_read_fields(fields, "request_fields"),
        stored=tuple(map(_read_stored, fields.objects("stored"))),
        computed=tuple(map(_read_computed, fields.objects("computed"))),
        served=tuple(map(_read_served, fields.objects("served"))),
    )


def _fields(what: str, value: Any, *names: str) -> Fields:
    fields = Fields(what, value)
    fields.expect_keys(set(names))
    return fields


def _read_fields(fields: Fields, name: str) -> tuple[Field, ...]:
    return tuple(map(_read_field, fields.objects(name)))


def _read_field(value: Any) -> Field:
    fields = _fields(f"field of a {_WHAT}", value, "name", "type", "feast_type")
    try:
        logical = LogicalType(fields.text("type"))
    except ValueError:
        raise ManifestError(f"field of a {_WHAT}", "type", "a logical type", fields.text("type")) from None
    return Field(fields.text("name"), logical, fields.text("feast_type"))


def _read_stored(value: Any) -> StoredView:
    names = ("name", "stored_name", "keys", "fields", "ttl_microseconds", "version", "report_only")
    fields = _fields(f"stored view of a {_WHAT}", value, *names)
    keys = [_fields(f"key of a {_WHAT}", key, "in_view", "in_request") for key in fields.objects("keys")]
    microseconds = fields.integer("ttl_microseconds")
    return StoredView(
        name=fields.text("name"),
        stored_name=fields.text("stored_name"),
        keys=tuple(KeyBinding(key.text("in_view"), key.text("in_request")) for key in keys),
        fields=_read_fields(fields, "fields"),
        ttl=timedelta(microseconds=microseconds) if microseconds else None,
        version=fields.integer("version"),
        report_only=value["report_only"] is True,
    )


def _read_computed(value: Any) -> ComputedView:
    fields = _fields(f"computed view of a {_WHAT}", value, "name", "fields", "inputs")
    return ComputedView(fields.text("name"), _read_fields(fields, "fields"), fields.texts("inputs"))


def _read_served(value: Any) -> Served:
    fields = _fields(f"served feature of a {_WHAT}", value, "view", "field", "column")
    return Served(fields.text("view"), _read_field(value["field"]), fields.text("column"))
