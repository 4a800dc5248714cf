"""Opens what a user names: a transform of the registry, that of a release, or a file."""

from dataclasses import dataclass
from pathlib import Path

from likewise.cli.registry_access import open_registry
from likewise.cli.registry_actions import ArtifactFileError
from likewise.transforms import FittedTransform
from likewise.transforms.registry import parse_reference
from likewise.transforms.registry.errors import BadReferenceError

FILE_ENDINGS = (".safetensors", ".likewise", ".bin")


@dataclass(frozen=True, slots=True)
class OpenedTransform:
    """A fitted transform with the name it is known by."""

    name: str
    fitted: FittedTransform


def open_transform(text: str) -> OpenedTransform:
    """Return the transform of a reference or file, its golden rows checked.

    Raises
    ------
    LikewiseError
        When there is none, it is damaged, or this machine computes otherwise than it recorded.
    """
    if Path(text).is_file() or "/" in text or text.endswith(FILE_ENDINGS):
        opened = OpenedTransform(text, _from_file(text))
    else:
        opened = _from_registry(text)
    opened.fitted.check_golden()
    return opened


def _from_file(path: str) -> FittedTransform:
    try:
        return FittedTransform.load(path)
    except OSError as error:
        raise ArtifactFileError(path, error.strerror or str(error)) from error


def _from_registry(text: str) -> OpenedTransform:
    reference, registry = parse_reference(text), open_registry(create=False)
    if reference.kind == "transform":
        version = registry.transform(str(reference))
        return OpenedTransform(version.reference, registry.load(version.reference))
    if reference.kind == "release":
        release = registry.release(str(reference))
        version = registry.transform(f"transform:{release.transform}")
        return OpenedTransform(f"{version.reference} of {release.reference}", registry.load(version.reference))
    raise BadReferenceError(text, "a transform or a release")
