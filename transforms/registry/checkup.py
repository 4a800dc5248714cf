"""Reads all that a registry holds and names what is not as it should be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from likewise.transforms.errors import LikewiseError

from .records import ReleaseVersion, TransformVersion
from .registry import Registry


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, and the reference it concerns."""

    reference: str
    problem: str


def check_registry(registry: Registry) -> Iterator[Finding]:
    """Yield what is wrong: every artifact is read and verified, every release with all its parts.

    Nothing comes of a registry that is whole.
    """
    yield from _gaps(registry.transforms())
    yield from _gaps(registry.releases())
    for transform in registry.transforms():
        yield from _trial(transform.reference, registry.load)
    for model in registry.models():
        yield from _trial(f"model:{model.digest}", registry.get_model)
    for release in registry.releases():
        yield from _trial(release.reference, partial(_open_release, registry))
    yield from _aliases(registry)


def _open_release(registry: Registry, reference: str) -> None:
    release = registry.release(reference)
    registry.transform(f"transform:{release.transform}")
    for node in release.nodes:
        registry.model(node.artifact)


def _trial(reference: str, attempt: Callable[[str], object]) -> Iterator[Finding]:
    try:
        attempt(reference)
    except LikewiseError as error:
        yield Finding(reference, str(error))


def _gaps(versions: Sequence[TransformVersion] | Sequence[ReleaseVersion]) -> Iterator[Finding]:
    found: dict[str, list[int]] = defaultdict(list)
    for version in versions:
        found[version.name].append(version.version)
    for name, numbers in found.items():
        if numbers != list(range(1, len(numbers) + 1)):
            yield Finding(
                name, f"expected versions 1 to {len(numbers)}, got {numbers}: rows are lost; restore a backup"
            )


def _aliases(registry: Registry) -> Iterator[Finding]:
    for alias in registry.aliases():
        moves = [move.to_version for move in registry.alias_log(alias.name) if move.alias == alias.alias]
        if not moves or moves[-1] != alias.version:
            told = f"version {moves[-1]}" if moves else "nothing"
            yield Finding(f"{alias.name}@{alias.alias}", f"it names version {alias.version}, its log ends at {told}")
