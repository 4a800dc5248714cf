"""Opens what a user names: a transform of the registry, that of a release, or a file."""

from dataclasses import dataclass

from likewise.cli.registry_access import open_registry
from likewise.cli.registry_actions import ArtifactFileError, check_version_named, names_file
from likewise.transforms import FittedTransform
from likewise.transforms.errors import LikewiseError
from likewise.transforms.registry import Release, parse_reference
from likewise.transforms.registry.errors import BadReferenceError


@dataclass(frozen=True, slots=True)
class OpenedTransform:
    """A fitted transform with the name it is known by, and the release through which it was named, if it was."""

    name: str
    fitted: FittedTransform
    release: Release | None = None


def open_transform(text: str) -> OpenedTransform:
    """Return the transform of a reference or file, its golden rows checked.

    Raises
    ------
    LikewiseError
        When there is none, it is damaged, or this machine computes otherwise than it recorded.
    """
    opened = OpenedTransform(text, _from_file(text)) if names_file(text) else _from_registry(text)
    opened.fitted.check_golden()
    return opened


def _from_file(path: str) -> FittedTransform:
    try:
        return FittedTransform.load(path)
    except OSError as error:
        raise ArtifactFileError(path, error.strerror or str(error)) from error
    except LikewiseError as error:  # which of two files it was, the error alone does not say
        raise ArtifactFileError(path, error.message) from error


def _from_registry(text: str) -> OpenedTransform:
    check_version_named(text)
    reference, registry = parse_reference(text), open_registry(create=False)
    if reference.kind == "transform":
        version = registry.transform(str(reference))
        return OpenedTransform(version.reference, registry.load(version.reference))
    if reference.kind == "release":
        release = registry.release(str(reference))
        version = registry.transform(f"transform:{release.transform}")
        name = f"{version.reference} of {release.reference}"
        return OpenedTransform(name, registry.load(version.reference), release)
    raise BadReferenceError(text, "a transform or a release; a model alone has no raw columns")
