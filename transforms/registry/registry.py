"""The registry: publish, load, and move aliases. Blobs come first, then one transaction makes the version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from likewise.transforms.fitted_transform import FittedTransform

from . import queries, writes
from .authors import process_author
from .blobs import BlobStore
from .database import Database
from .errors import ArtifactNotItselfError, RegistryUrlError, WhyMissingError
from .model_manifest import ModelFiles, describe_files, read_model_manifest
from .records import Alias, AliasMove, ModelRecord, ReleaseVersion, TransformVersion
from .references import check_alias, check_digest, check_name, parse_reference
from .release import Release, ReleaseSpec, read_release, release_bytes
from .release_parts import check_parts

DEFAULT_URL = "sqlite:///.likewise/registry.db"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Registry:
    """Transforms, models, releases and aliases of a project.

    Nothing published is ever changed or lost: versions count 1, 2, 3 without gaps under a name, the same content
    published again keeps its version, and a crash at any point leaves no version without its blobs.

    Parameters
    ----------
    url
        `sqlite:///path/registry.db`, or `postgresql://user:password@host/database`.
    blobs
        A path or fsspec URL; by default `blobs` beside the SQLite file.
    create
        Whether to make the registry when it is not there; otherwise that is an error.
    open_transform
        Makes a transform of an artifact's bytes.
    now
        Tells the time that goes on record.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        blobs: str | Path | None = None,
        *,
        create: bool = True,
        open_transform: Callable[[bytes], FittedTransform] = FittedTransform.from_bytes,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._database = Database(url, create=create)
        self._blobs = BlobStore(blobs if blobs is not None else _blobs_beside(self._database))
        self._open_transform = open_transform
        self._now = now

    @property
    def url(self) -> str:
        """The database's URL, its password hidden."""
        return self._database.shown

    @property
    def blobs(self) -> BlobStore:
        """Where the content lies."""
        return self._blobs

    def publish(
        self, fitted: FittedTransform, *, by: str | None = None, note: str | None = None, verified: bool = False
    ) -> TransformVersion:
        """Return the version of a transform, made now or when the same transform was published before.

        Parameters
        ----------
        fitted
            The transform; its name is what versions are counted under.
        by, note
            Who publishes (by default the user of the process), and a remark.
        verified
            Whether a pipeline vouches that it was fitted on rows of history only. A version once verified stays so.
        """
        name, digest = check_name(fitted.name), check_digest(fitted.digest)
        content = fitted.to_bytes()
        _check_identity(f"transform {name!r}", digest, self._open_transform(content))
        draft = writes.TransformDraft(
            name=name,
            digest=digest,
            blob=self._keep_transform(name, digest, content),
            size_bytes=len(content),
            feature_service=fitted.feature_service,
            created_at=self._now(),
            created_by=by or process_author(),
            note=note,
        )
        with self._database.write() as connection:
            return writes.publish_transform(connection, draft, verified=verified, blobs=self._blobs)

    def load(self, reference: str) -> FittedTransform:
        """Return the transform that `transform:NAME:3` or `transform:sha256:...` names."""
        found = self.transform(reference)
        fitted = self._open_transform(self._blobs.get(found.blob))
        _check_identity(found.reference, found.digest, fitted)
        return fitted

    def transform(self, reference: str) -> TransformVersion:
        """Return what is on record of the transform that a reference names."""
        wanted = parse_reference(reference, kind="transform")
        with self._database.read() as connection:
            return queries.find_transform(connection, wanted)

    def transforms(self, name: str | None = None) -> tuple[TransformVersion, ...]:
        """Return the versions of one name, or all, by name and version."""
        with self._database.read() as connection:
            return queries.list_transforms(connection, name)

    def put_model(self, files: Mapping[str, bytes], *, metadata: Mapping[str, Any], by: str | None = None) -> str:
        """Return the digest of a model: of the manifest that names its files by digest, and its metadata."""
        manifest = describe_files(files, metadata)
        content = manifest.to_bytes()
        read_model_manifest(content)  # what can't be read back is not written
        for file in files.values():
            self._blobs.put(file)
        runtime = metadata.get("runtime")
        record = ModelRecord(
            digest=self._blobs.put(content),
            file_count=len(files),
            size_bytes=manifest.size_bytes,
            runtime=runtime if isinstance(runtime, str) else None,
            created_at=self._now(),
            created_by=by or process_author(),
        )
        with self._database.write() as connection:
            writes.record_model(connection, record)
        return record.digest

    def get_model(self, digest: str) -> ModelFiles:
        """Return the files of the model that `sha256:...` or `model:sha256:...` names, each verified."""
        found = self.model(digest)
        manifest = read_model_manifest(self._blobs.get(found.digest))
        files = {name: self._blobs.get(entry.digest) for name, entry in manifest.files.items()}
        return ModelFiles(files, manifest.metadata)

    def model(self, digest: str) -> ModelRecord:
        """Return what is on record of the model that a digest names."""
        wanted = parse_reference(digest, kind="model")
        with self._database.read() as connection:
            return queries.find_model(connection, wanted)

    def models(self) -> tuple[ModelRecord, ...]:
        """Return every model, oldest first."""
        with self._database.read() as connection:
            return queries.list_models(connection)

    def publish_release(self, spec: ReleaseSpec, *, by: str | None = None) -> Release:
        """Return the release of a spec, its version made now or when the same spec was published before.

        Raises
        ------
        RegistryError
            When its transform or a model is not here or damaged, or the parts do not belong together.
        """
        pinned = replace(spec, transform=self.transform(spec.transform).digest)
        content = release_bytes(pinned)
        check_parts(pinned, self.load(f"transform:{pinned.transform}"))
        for node in pinned.nodes:
            self.get_model(node.artifact)
        draft = ReleaseVersion(
            name=pinned.name,
            version=0,
            digest=self._blobs.put(content),
            transform=pinned.transform,
            feature_service=pinned.feature_service,
            created_at=self._now(),
            created_by=by or process_author(),
        )
        with self._database.write() as connection:
            made = writes.publish_release(connection, draft)
        return _release(read_release(content), made)

    def release(self, reference: str) -> Release:
        """Return the release that `release:NAME:7` or `NAME@prod` names."""
        found = self.release_version(reference)
        return _release(read_release(self._blobs.get(found.digest)), found)

    def release_version(self, reference: str) -> ReleaseVersion:
        """Return which version a reference names now, by one small query: what to ask often, to follow an alias."""
        wanted = parse_reference(reference, kind="release")
        with self._database.read() as connection:
            return queries.find_release(connection, wanted)

    def releases(self, name: str | None = None) -> tuple[ReleaseVersion, ...]:
        """Return the versions of one name, or all, by name and version."""
        with self._database.read() as connection:
            return queries.list_releases(connection, name)

    def set_alias(self, name: str, alias: str, version: int, *, by: str | None = None, why: str) -> AliasMove:
        """Return the move that made an alias point to a version of a release; rolling back is a move like any other.

        An alias that points there already is left alone, and its last move is returned.

        Raises
        ------
        RegistryError
            When there is no such version, its transform is unverified, or no reason is given.
        """
        check_alias(alias)
        if not why.strip():
            raise WhyMissingError(name, alias)
        move = AliasMove(name, alias, None, version, self._now(), by or process_author(), why.strip())
        with self._database.write() as connection:
            return writes.move_alias(connection, move)

    def aliases(self, name: str | None = None) -> tuple[Alias, ...]:
        """Return the aliases of one release name, or all."""
        with self._database.read() as connection:
            return queries.list_aliases(connection, name)

    def alias_log(self, name: str) -> tuple[AliasMove, ...]:
        """Return every move of a release's aliases, oldest first."""
        with self._database.read() as connection:
            queries.check_release_name(connection, name)
            return queries.list_moves(connection, name)

    def _keep_transform(self, name: str, digest: str, content: bytes) -> str:
        # A transform refitted has the digest of before but another provenance; the blob of before stays.
        with self._database.read() as connection:
            known = queries.find_same_transform(connection, name, digest)
        return known.blob if known and self._blobs.holds(known.blob) else self._blobs.put(content)


def _blobs_beside(database: Database) -> Path:
    if database.file is None:
        raise RegistryUrlError(database.shown, "a registry on a server needs a place for blobs (LIKEWISE_BLOBS)")
    return database.file.parent / "blobs"


def _check_identity(what: str, digest: str, fitted: FittedTransform) -> None:
    if fitted.digest != digest:
        raise ArtifactNotItselfError(what, digest, fitted.digest)


def _release(spec: ReleaseSpec, made: ReleaseVersion) -> Release:
    pinned = {field.name: getattr(spec, field.name) for field in fields(ReleaseSpec)}
    return Release(
        **pinned,
        version=made.version,
        digest=made.digest,
        created_at=made.created_at,
        created_by=made.created_by,
        is_new=made.is_new,
    )
