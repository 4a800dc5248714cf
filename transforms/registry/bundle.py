"""A release or transform with all it needs, in one file: exported from one registry, imported into another.

The file is a zip archive of stored (never compressed) members: `bundle.json`, a canonical manifest, and one member a
blob, `sha256/<64 hexadecimal digits>`. Importing checks every member, every digest and every manifest before the
registry is touched; nothing in a bundle is executed.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from likewise.transforms.errors import LikewiseError
from likewise.transforms.fitted_transform import FittedTransform

from .canonical_json import canonical_bytes, digest_of, read_canonical
from .errors import BundleError, ManifestFormatError
from .manifest_fields import Fields
from .model_manifest import ModelFiles, read_model_manifest
from .records import TransformVersion
from .references import parse_reference
from .registry import Registry
from .release import Release, ReleaseSpec, read_release
from .release_parts import check_parts

FORMAT = 1
KIND = "bundle"
_MANIFEST = "bundle.json"
_MEMBERS_LIMIT = 10_000
_BYTES_LIMIT = 16 * 2**30
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


@dataclass(frozen=True, slots=True)
class BundleContent:
    """A bundle's content, checked: what was read before anything is written.

    Attributes
    ----------
    models
        By digest.
    release, release_digest
        None where the bundle holds only a transform.
    """

    transform: FittedTransform
    models: Mapping[str, ModelFiles]
    release: ReleaseSpec | None
    release_digest: str | None


def export_bundle(registry: Registry, reference: str, path: str | Path) -> Path:
    """Return the file that holds a release (with its transform and models) or a transform, written whole or not at all.

    Parameters
    ----------
    registry
        Where it was published.
    reference
        `release:NAME:3`, `NAME@prod` or `transform:NAME:3`.
    path
        The file to write; one that is there is replaced.
    """
    release = registry.release(reference) if parse_reference(reference).kind == "release" else None
    transform = registry.transform(f"transform:{release.transform}" if release else reference)
    models = list(dict.fromkeys(node.artifact for node in release.nodes)) if release else []
    blobs = {transform.blob: registry.blobs.get(transform.blob)}
    if release:
        blobs[release.digest] = registry.blobs.get(release.digest)
    for model in models:
        blobs |= _model_blobs(registry, model)
    manifest = {
        "format": FORMAT,
        "kind": KIND,
        "transform": transform.blob,
        "models": models,
        "releases": [release.digest] if release else [],
        "blobs": sorted(blobs),
    }
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    try:
        _write(draft, {_MANIFEST: canonical_bytes("bundle", manifest), **{_member(d): blobs[d] for d in sorted(blobs)}})
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BundleError(str(target), f"it can't be written ({error.strerror})") from error
    return target


def import_bundle(
    registry: Registry, path: str | Path, *, by: str | None = None, verified: bool = False
) -> Release | TransformVersion:
    """Return what a bundle held, published in this registry under the next version, or the one it has.

    Parameters
    ----------
    registry
        Where to publish.
    path
        The file that `export_bundle` wrote, here or elsewhere.
    by
        Who imports.
    verified
        Whether the importer vouches for the transform; a bundle can't do so itself.

    Raises
    ------
    BundleError
        When anything in it is not sound; the registry is untouched then.
    """
    bundle = read_bundle(path)
    note = f"imported from {Path(path).name}"
    version = registry.publish(bundle.transform, by=by, note=note, verified=verified)
    for model in bundle.models.values():
        registry.put_model(model.files, metadata=model.metadata, by=by)
    return registry.publish_release(bundle.release, by=by) if bundle.release else version


def _model_blobs(registry: Registry, digest: str) -> dict[str, bytes]:
    content = registry.blobs.get(registry.model(digest).digest)
    files = {entry.digest for entry in read_model_manifest(content).files.values()}
    return {digest: content, **{file: registry.blobs.get(file) for file in files}}


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    with path.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
        file.flush()
        os.fsync(file.fileno())


def _member(digest: str) -> str:
    return digest.replace(":", "/")


def read_bundle(path: str | Path) -> BundleContent:
    """Return what a bundle holds, every member, digest and manifest checked; no registry is needed.

    Raises
    ------
    BundleError
        When anything in it is not sound.
    """
    path = Path(path)
    with _problems_named(path), zipfile.ZipFile(path) as archive:
        _check_members(path, archive)
        fields = Fields("bundle", read_canonical("bundle", archive.read(_MANIFEST)))
        if fields.integer("format") != FORMAT:
            raise ManifestFormatError("bundle", fields.integer("format"), [FORMAT])
        fields.expect_keys({"format", "kind", "transform", "models", "releases", "blobs"})
        fields.expect("kind", KIND)
        _check_listed(path, archive, fields.texts("blobs"))
        blobs = {digest: _blob(path, archive, digest) for digest in fields.texts("blobs")}
        return _open(path, fields, blobs)


@contextmanager
def _problems_named(path: Path) -> Iterator[None]:
    try:
        yield
    except BundleError:
        raise
    except LikewiseError as error:
        raise BundleError(str(path), error.message.rstrip(".")) from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, KeyError, ValueError) as error:
        raise BundleError(str(path), str(error) or type(error).__name__) from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) != len(names) or len(names) > _MEMBERS_LIMIT:
        raise BundleError(str(path), f"expected at most {_MEMBERS_LIMIT:,} members, each once, got {len(names):,}")
    if _MANIFEST not in names:
        raise BundleError(str(path), f"it has no {_MANIFEST}")
    # Stored members are as long as the file has bytes for: nothing can swell when it is read.
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise BundleError(str(path), "it has compressed or encrypted members, expected stored ones")
    if sum(member.file_size for member in members) > _BYTES_LIMIT:
        raise BundleError(str(path), f"it holds more than {_BYTES_LIMIT:,} bytes")


def _check_listed(path: Path, archive: zipfile.ZipFile, digests: tuple[str, ...]) -> None:
    expected, got = {_MANIFEST, *map(_member, digests)}, set(archive.namelist())
    for name in sorted(expected ^ got):
        raise BundleError(str(path), f"{name} is {'missing' if name in expected else 'not listed in its manifest'}")


def _blob(path: Path, archive: zipfile.ZipFile, digest: str) -> bytes:
    content = archive.read(_member(digest))
    if digest_of(content) != digest:
        raise BundleError(str(path), f"blob {digest} is damaged: its content has {digest_of(content)}")
    return content


def _open(path: Path, fields: Fields, blobs: Mapping[str, bytes]) -> BundleContent:
    transform = FittedTransform.from_bytes(blobs[fields.digest("transform")])
    used = {fields.digest("transform"), *fields.texts("models"), *fields.texts("releases")}
    models = {}
    for digest in fields.texts("models"):
        manifest = read_model_manifest(blobs[digest])
        used |= {entry.digest for entry in manifest.files.values()}
        files = {name: blobs[entry.digest] for name, entry in manifest.files.items()}
        models[digest] = ModelFiles(files, manifest.metadata)
    releases = [read_release(blobs[digest]) for digest in fields.texts("releases")]
    if len(releases) > 1 or used != set(blobs):
        raise BundleError(str(path), "expected one release at most and no blob that nothing uses")
    for release in releases:
        check_parts(release, transform)
        if release.transform != transform.digest or {node.artifact for node in release.nodes} != set(models):
            raise BundleError(str(path), "its release pins another transform or other models than it holds")
    release_digest = fields.texts("releases")[0] if releases else None
    return BundleContent(transform, models, releases[0] if releases else None, release_digest)
