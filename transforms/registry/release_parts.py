"""Whether the parts of a release belong together, before it gets a version."""

from __future__ import annotations

from collections.abc import Sequence

from likewise.transforms.errors import closest, listing
from likewise.transforms.fitted_transform import FittedTransform

from .errors import ReleaseMismatchError
from .release import ReleaseSpec


def check_parts(spec: ReleaseSpec, transform: FittedTransform) -> None:
    """Refuse a release whose transform reads other features, or can't feed its nodes.

    Raises
    ------
    ReleaseMismatchError
        Naming the first part that does not fit.
    """
    if transform.feature_service not in (None, spec.feature_service):
        raise ReleaseMismatchError(
            spec.name,
            "feature service",
            f"{transform.feature_service!r}, which its transform was fitted on",
            repr(spec.feature_service),
        )
    tensors = [output.name for output in transform.outputs]
    for node in spec.nodes:
        for name in node.inputs:
            if name not in tensors:
                raise ReleaseMismatchError(spec.name, f"node {node.name!r}", *_unknown_tensor(name, tensors))
        if node.output in tensors:
            raise ReleaseMismatchError(
                spec.name, f"node {node.name!r}", "an output name of its own", f"{node.output!r}, which is taken"
            )
        tensors.append(node.output)


def _unknown_tensor(name: str, tensors: Sequence[str]) -> tuple[str, str]:
    return f"inputs among {listing(tensors)}", f"{name!r}.{closest(name, tensors)}".rstrip(".")
