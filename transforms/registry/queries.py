"""Reads and writes of the tables inside a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from .errors import AmbiguousDigestError, UnknownAliasError, UnknownDigestError, UnknownNameError, UnknownVersionError
from .records import Alias, AliasMove, ModelRecord, ReleaseVersion, TransformVersion
from .references import Reference
from .tables import alias_log, aliases, models, releases, transforms

Row = TypeVar("Row", TransformVersion, ModelRecord, ReleaseVersion, Alias, AliasMove)

_MOVE = [column for column in alias_log.c if column is not alias_log.c.id]


def list_transforms(connection: sa.Connection, name: str | None) -> tuple[TransformVersion, ...]:
    """Return versions of one name or all, by name and version."""
    query = sa.select(transforms).order_by(transforms.c.name, transforms.c.version)
    return _rows(connection, TransformVersion, _named(query, transforms, name))


def list_releases(connection: sa.Connection, name: str | None) -> tuple[ReleaseVersion, ...]:
    """Return versions of one name or all, by name and version."""
    query = sa.select(releases).order_by(releases.c.name, releases.c.version)
    return _rows(connection, ReleaseVersion, _named(query, releases, name))


def list_models(connection: sa.Connection) -> tuple[ModelRecord, ...]:
    """Return every model, oldest first."""
    return _rows(connection, ModelRecord, sa.select(models).order_by(models.c.created_at, models.c.digest))


def list_aliases(connection: sa.Connection, name: str | None) -> tuple[Alias, ...]:
    """Return aliases of one release name or all."""
    query = sa.select(aliases).order_by(aliases.c.name, aliases.c.alias)
    return _rows(connection, Alias, _named(query, aliases, name))


def list_moves(connection: sa.Connection, name: str) -> tuple[AliasMove, ...]:
    """Return the log of a release name, oldest first."""
    return _rows(connection, AliasMove, sa.select(*_MOVE).where(alias_log.c.name == name).order_by(alias_log.c.id))


def find_transform(connection: sa.Connection, reference: Reference) -> TransformVersion:
    """Return the version a reference names; of a digest under several names, a verified one first."""
    if reference.digest is not None:
        digest = expand_digest(connection, "transform", reference.digest)
        query = sa.select(transforms).where(transforms.c.digest == digest)
        query = query.order_by(transforms.c.verified_at.is_(None), transforms.c.name, transforms.c.version).limit(1)
        return _rows(connection, TransformVersion, query)[0]
    return _version(connection, transforms, TransformVersion, "transform", reference)


def find_same_transform(connection: sa.Connection, name: str, digest: str) -> TransformVersion | None:
    """Return the version of `name` that has this digest, if any."""
    query = sa.select(transforms).where(transforms.c.name == name, transforms.c.digest == digest)
    return next(iter(_rows(connection, TransformVersion, query)), None)


def find_release(connection: sa.Connection, reference: Reference) -> ReleaseVersion:
    """Return the version a reference names, by number or alias."""
    if reference.alias is None:
        return _version(connection, releases, ReleaseVersion, "release", reference)
    name = str(reference.name)
    known = {alias.alias: alias.version for alias in list_aliases(connection, name)}
    if reference.alias not in known:
        check_release_name(connection, name)
        raise UnknownAliasError(name, reference.alias, list(known))
    pointed = Reference("release", name=name, version=known[reference.alias])
    return _version(connection, releases, ReleaseVersion, "release", pointed)


def find_model(connection: sa.Connection, reference: Reference) -> ModelRecord:
    """Return the model a digest names."""
    digest = expand_digest(connection, "model", str(reference.digest))
    return _rows(connection, ModelRecord, sa.select(models).where(models.c.digest == digest))[0]


def find_same_release(connection: sa.Connection, name: str, digest: str) -> ReleaseVersion | None:
    """Return the version of `name` that has this digest, if any."""
    query = sa.select(releases).where(releases.c.name == name, releases.c.digest == digest)
    return next(iter(_rows(connection, ReleaseVersion, query)), None)


def check_release_name(connection: sa.Connection, name: str) -> None:
    """Refuse a release name without any version."""
    if not connection.execute(sa.select(releases.c.version).where(releases.c.name == name).limit(1)).first():
        raise UnknownNameError("release", name, _names(connection, releases))


def expand_digest(connection: sa.Connection, kind: str, digest: str) -> str:
    """Return the whole digest of the one transform or model whose digest begins so."""
    column = transforms.c.digest if kind == "transform" else models.c.digest
    query = sa.select(column).where(column.startswith(digest)).distinct().order_by(column).limit(5)
    found = list(connection.execute(query).scalars())
    if not found:
        raise UnknownDigestError(kind, digest)
    if len(found) > 1:
        raise AmbiguousDigestError(kind, digest, found)
    return str(found[0])


def next_version(connection: sa.Connection, table: sa.Table, name: str) -> int:
    """Return the version after the newest; only a write transaction keeps it free."""
    newest = connection.execute(sa.select(sa.func.max(table.c.version)).where(table.c.name == name)).scalar()
    return 1 if newest is None else int(newest) + 1


def is_verified(connection: sa.Connection, digest: str) -> bool:
    """Whether any version of this transform is verified."""
    query = sa.select(transforms.c.version).where(transforms.c.digest == digest, transforms.c.verified_at.is_not(None))
    return connection.execute(query.limit(1)).first() is not None


def _version(connection: sa.Connection, table: sa.Table, row: type[Row], kind: str, reference: Reference) -> Row:
    query = sa.select(table).where(table.c.name == reference.name, table.c.version == reference.version)
    found = _rows(connection, row, query)
    if found:
        return found[0]
    newest = next_version(connection, table, str(reference.name)) - 1
    if newest == 0:
        raise UnknownNameError(kind, str(reference.name), _names(connection, table))
    raise UnknownVersionError(kind, str(reference.name), int(reference.version or 0), newest)


def _names(connection: sa.Connection, table: sa.Table) -> Sequence[str]:
    return list(connection.execute(sa.select(table.c.name).distinct().order_by(table.c.name)).scalars())


def _named(query: sa.Select[Any], table: sa.Table, name: str | None) -> sa.Select[Any]:
    return query if name is None else query.where(table.c.name == name)


def _rows(connection: sa.Connection, row: type[Row], query: sa.Select[Any]) -> tuple[Row, ...]:
    return tuple(row(**found) for found in connection.execute(query).mappings())
