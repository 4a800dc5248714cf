"""A release directory: all that a server needs to answer with one release, in a folder that can be copied.

release.json      what it is, the digest of each other file, and a seal over itself
release.bundle    the manifest, the transform and the models (as `likewise bundle export` writes them)
features.json     the resolved plan of its features, the definitions' fingerprint, where the online store is
on_demand/*.pb    Feast's on-demand views, where the service has some: code, run only when that is allowed
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from likewise.serving.errors import ReleaseDirectoryError
from likewise.serving.plan import FeaturePlan
from likewise.serving.plan_json import plan_from_json, plan_to_json
from likewise.transforms.errors import LikewiseError
from likewise.transforms.registry.bundle import BundleContent, read_bundle
from likewise.transforms.registry.canonical_json import canonical_bytes, digest_of, read_canonical
from likewise.transforms.registry.manifest_fields import Fields

FORMAT = 1
MANIFEST, BUNDLE, FEATURES, CODE = "release.json", "release.bundle", "features.json", "on_demand"
_KIND = "release directory"


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where the online store is.

    Attributes
    ----------
    project
        Feast's project.
    connection_string
        Without secrets; None: whoever starts a server says it (`REDIS_URL`).
    kind, sentinel_master
        Its topology, in Feast's words.
    """

    project: str
    connection_string: str | None
    kind: str
    sentinel_master: str


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """Which release a directory holds.

    Attributes
    ----------
    name, version, digest
        As the registry has them.
    created_at
        When it was published, ISO 8601.
    """

    name: str
    version: int
    digest: str
    created_at: str

    @property
    def reference(self) -> str:
        """Return `name:version`."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Features:
    """What features a release reads, resolved.

    Attributes
    ----------
    plan
        What to read and compute.
    fingerprint
        Of the definitions that the plan was resolved from.
    store
        Where stored features are.
    code
        On-demand view -> Feast's protobuf message of it, which holds its code.
    """

    plan: FeaturePlan
    fingerprint: str
    store: StorePlace
    code: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class ReleaseContent:
    """A release directory, read and checked."""

    name: ReleaseName
    bundle: BundleContent
    features: Features


def write_release_dir(target: Path, name: ReleaseName, bundle: Path, features: Features) -> Path:
    """Return the directory, written whole or not at all.

    Parameters
    ----------
    bundle
        The exported bundle of the release.

    Raises
    ------
    ReleaseDirectoryError
        Something is there already, or it can't be written.
    """
    if target.exists():
        raise ReleaseDirectoryError(target, "it exists; nothing was written", "name another, or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as draft:
            folder = Path(draft) / "content"
            folder.mkdir()
            shutil.copyfile(bundle, folder / BUNDLE)
            _write_rest(folder, name, features)
            folder.rename(target)
    except OSError as error:
        reason = f"it can't be written ({error.strerror})"
        raise ReleaseDirectoryError(target, reason, "name a folder that can be made") from error
    return target


def _write_rest(folder: Path, name: ReleaseName, features: Features) -> None:
    (folder / FEATURES).write_bytes(canonical_bytes("features", _features_to_json(features)))
    files = [BUNDLE, FEATURES]
    for at, view in enumerate(sorted(features.code)):
        (folder / CODE).mkdir(exist_ok=True)
        files.append(_code_file(at))
        (folder / files[-1]).write_bytes(features.code[view])
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "kind": _KIND,
        "name": name.name,
        "version": name.version,
        "digest": name.digest,
        "created_at": name.created_at,
        "files": {file: digest_of((folder / file).read_bytes()) for file in files},
    }
    manifest["seal"] = digest_of(canonical_bytes(_KIND, manifest))
    (folder / MANIFEST).write_bytes(canonical_bytes(_KIND, manifest))


def _code_file(at: int) -> str:
    return f"{CODE}/{at}.pb"  # numbered: a view's name may be no file's


def _features_to_json(features: Features) -> dict[str, Any]:
    place = features.store
    return {
        "format": FORMAT,
        "plan": plan_to_json(features.plan),
        "definitions_fingerprint": features.fingerprint,
        "on_demand": sorted(features.code),
        "store": {
            "project": place.project,
            "connection_string": place.connection_string or "",
            "kind": place.kind,
            "sentinel_master": place.sentinel_master,
        },
    }


def release_name(folder: Path) -> ReleaseName:
    """Return which release a directory holds; only its manifest is read."""
    return _manifest(folder)[0]


def read_release_dir(folder: Path) -> ReleaseContent:
    """Return the content of a directory: every file is as its digest says, and all of them belong together.

    Raises
    ------
    ReleaseDirectoryError
        With the file that is missing, damaged or of another release. Nothing of it was used.
    """
    name, digests = _manifest(folder)
    contents = {file: _checked(folder, file, digest) for file, digest in digests.items()}
    try:
        bundle = read_bundle(folder / BUNDLE)
        features = _read_features(contents)
    except (LikewiseError, KeyError) as error:
        raise ReleaseDirectoryError(folder, str(error)) from error
    release = bundle.release
    if release is None or bundle.release_digest != name.digest or release.name != name.name:
        raise ReleaseDirectoryError(folder, f"its bundle holds another release than {name.reference}")
    if release.definitions_fingerprint != features.fingerprint or release.feast_project != features.store.project:
        raise ReleaseDirectoryError(folder, f"its features are not those that {name.reference} pinned")
    return ReleaseContent(name, bundle, features)


def _manifest(folder: Path) -> tuple[ReleaseName, dict[str, str]]:
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise ReleaseDirectoryError(folder, f"{MANIFEST} can't be read ({error.strerror})") from error
    try:
        value = read_canonical(_KIND, content)
        fields = Fields(_KIND, value)
        if fields.integer("format") != FORMAT:
            reason = f"it has format {value['format']}; this version reads {FORMAT}"
            raise ReleaseDirectoryError(folder, reason)
        fields.expect_keys({"format", "kind", "name", "version", "digest", "created_at", "files", "seal"})
        fields.expect("kind", _KIND)
        unsealed = {key: item for key, item in value.items() if key != "seal"}
        fields.expect("seal", digest_of(canonical_bytes(_KIND, unsealed)))
        name = ReleaseName(
            fields.text("name"), fields.integer("version"), fields.digest("digest"), fields.text("created_at")
        )
        return name, fields.text_mapping("files")
    except ReleaseDirectoryError:
        raise
    except LikewiseError as error:
        raise ReleaseDirectoryError(folder, f"{MANIFEST} is damaged: {error}") from error


def _checked(folder: Path, file: str, digest: str) -> bytes:
    if file not in (BUNDLE, FEATURES) and Path(file).parts[:-1] != (CODE,):
        raise ReleaseDirectoryError(folder, f"{MANIFEST} lists {file!r}, which is no file of a {_KIND}")
    try:
        content = (folder / file).read_bytes()
    except OSError as error:
        raise ReleaseDirectoryError(folder, f"{file} can't be read ({error.strerror})") from error
    if digest_of(content) != digest:
        raise ReleaseDirectoryError(folder, f"{file} is damaged: expected {digest}, got {digest_of(content)}")
    return content


def _read_features(contents: Mapping[str, bytes]) -> Features:
    value = read_canonical("features", contents[FEATURES])
    fields = Fields("features", value)
    fields.expect_keys({"format", "plan", "definitions_fingerprint", "on_demand", "store"})
    store = Fields("online store", value["store"])
    store.expect_keys({"project", "connection_string", "kind", "sentinel_master"})
    place = StorePlace(
        project=store.text("project"),
        connection_string=store.text("connection_string") or None,
        kind=store.text("kind"),
        sentinel_master=store.text("sentinel_master"),
    )
    code = {view: contents[_code_file(at)] for at, view in enumerate(fields.texts("on_demand"))}
    return Features(plan_from_json(value["plan"]), fields.text("definitions_fingerprint"), place, code)
