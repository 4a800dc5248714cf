"""Whether a release and the features that are there belong together, and what a loaded release is called."""

from likewise.serving.entity_rows import EVENT_TIMESTAMP
from likewise.serving.errors import ReleaseRefusedError
from likewise.serving.loaded_release import Transform
from likewise.serving.plan import FeaturePlan
from likewise.transforms.registry import ReleaseSpec


def check_inputs(reference: str, release: ReleaseSpec, plan: FeaturePlan, transform: Transform) -> None:
    """Refuse a release whose transform reads what the plan does not give, by name and type.

    Raises
    ------
    ReleaseRefusedError
        Naming the column.
    """
    schema = plan.schema
    for spec in transform.inputs:
        if spec.name == EVENT_TIMESTAMP:
            continue
        if spec.name not in schema:
            raise ReleaseRefusedError(reference, f"its transform reads {spec.name!r}, which is no feature here")
        if schema[spec.name] is not spec.type:
            got = schema[spec.name].value
            raise ReleaseRefusedError(reference, f"its transform reads {spec.name!r} as {spec.type}, here it is {got}")
    _check_same(reference, "join keys", set(release.join_keys), {field.name for field in plan.join_keys})
    _check_same(reference, "request fields", set(release.request_fields), {f.name for f in plan.request_fields})


def _check_same(reference: str, what: str, pinned: set[str], now: set[str]) -> None:
    if pinned and pinned != now:
        raise ReleaseRefusedError(reference, f"its {what} were {sorted(pinned)}, here they are {sorted(now)}")


def check_one_node(reference: str, release: ReleaseSpec) -> None:
    """Refuse a release of several nodes.

    Raises
    ------
    ReleaseRefusedError
        It has more than this server runs.
    """
    if len(release.nodes) > 1:
        raise ReleaseRefusedError(reference, "it has several nodes, which this server does not run")
