"""What a write transaction does to the tables; each is called inside the only one there is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from . import queries
from .blobs import BlobStore
from .errors import UnverifiedTransformError
from .records import AliasMove, ModelRecord, ReleaseVersion, TransformVersion
from .references import Reference
from .tables import alias_log, aliases, models, releases, transforms


@dataclass(frozen=True, slots=True)
class TransformDraft:
    """A transform about to get its version; its blob is stored."""

    name: str
    digest: str
    blob: str
    size_bytes: int
    feature_service: str | None
    created_at: datetime
    created_by: str
    note: str | None


def publish_transform(
    connection: sa.Connection, draft: TransformDraft, *, verified: bool, blobs: BlobStore
) -> TransformVersion:
    """Return the version of a transform: the one it has, or the next."""
    mark = (draft.created_at, draft.created_by) if verified else (None, None)
    known = queries.find_same_transform(connection, draft.name, draft.digest)
    if known is None:
        version = queries.next_version(connection, transforms, draft.name)
        made = TransformVersion(**asdict(draft), version=version, verified_at=mark[0], verified_by=mark[1], is_new=True)
        connection.execute(sa.insert(transforms).values(**_columns(transforms, made)))
        return made
    kept = known
    if verified and not known.verified:
        kept = replace(kept, verified_at=mark[0], verified_by=mark[1])
    if draft.blob != known.blob and not blobs.holds(known.blob):
        kept = replace(kept, blob=draft.blob, size_bytes=draft.size_bytes)
    if kept != known:
        here = sa.and_(transforms.c.name == kept.name, transforms.c.version == kept.version)
        connection.execute(sa.update(transforms).where(here).values(**_columns(transforms, kept)))
    return kept


def record_model(connection: sa.Connection, record: ModelRecord) -> None:
    """Put a model on record, once."""
    known = connection.execute(sa.select(models.c.digest).where(models.c.digest == record.digest)).first()
    if known is None:
        connection.execute(sa.insert(models).values(**_columns(models, record)))


def publish_release(connection: sa.Connection, draft: ReleaseVersion) -> ReleaseVersion:
    """Return the version of a release: the one it has, or the next."""
    known = queries.find_same_release(connection, draft.name, draft.digest)
    if known is not None:
        return known
    made = replace(draft, version=queries.next_version(connection, releases, draft.name), is_new=True)
    connection.execute(sa.insert(releases).values(**_columns(releases, made)))
    return made


def move_alias(connection: sa.Connection, move: AliasMove) -> AliasMove:
    """Return the move that made an alias point where it shall: this one, or the last when it points there already."""
    wanted = Reference("release", name=move.name, version=move.to_version)
    release = queries.find_release(connection, wanted)
    if not queries.is_verified(connection, release.transform):
        transform = queries.find_transform(connection, Reference("transform", digest=release.transform))
        raise UnverifiedTransformError(release.reference, move.alias, transform.reference)
    present = {alias.alias: alias.version for alias in queries.list_aliases(connection, move.name)}.get(move.alias)
    if present == move.to_version:
        return [made for made in queries.list_moves(connection, move.name) if made.alias == move.alias][-1]
    made = replace(move, from_version=present)
    _point(connection, made)
    connection.execute(sa.insert(alias_log).values(**_columns(alias_log, made)))
    return made


def _point(connection: sa.Connection, move: AliasMove) -> None:
    here = {"name": move.name, "alias": move.alias}
    if move.from_version is None:
        connection.execute(sa.insert(aliases).values(**here, version=move.to_version))
    else:
        query = sa.update(aliases).where(aliases.c.name == move.name, aliases.c.alias == move.alias)
        connection.execute(query.values(version=move.to_version))


def _columns(table: sa.Table, row: TransformVersion | ModelRecord | ReleaseVersion | AliasMove) -> dict[str, object]:
    return {name: value for name, value in asdict(row).items() if name in table.c}
