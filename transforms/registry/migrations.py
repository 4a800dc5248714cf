"""The registry's schema, revision by revision, applied by Alembic's operations.

A revision that was ever released is never edited: a new form of a table is a new entry at the end of `REVISIONS`.
The revisions are code of this package, so they are in every wheel and need no folder of scripts; the revision a
database has stands in Alembic's own table `alembic_version`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

VERSION_TABLE = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


def current_revision(connection: sa.Connection) -> str | None:
    """Return the revision the database has; None before the first."""
    if not sa.inspect(connection).has_table(VERSION_TABLE.name):
        return None
    return connection.execute(sa.select(VERSION_TABLE.c.version_num)).scalar()


def upgrade(connection: sa.Connection, revision: str | None) -> None:
    """Take the database from `revision` to the newest, inside the caller's transaction."""
    from alembic.migration import MigrationContext  # 0.15 s, and nearly every process finds nothing to migrate
    from alembic.operations import Operations

    names = list(REVISIONS)
    operations = Operations(MigrationContext.configure(connection))
    for name in names[names.index(revision) + 1 if revision else 0 :]:
        REVISIONS[name](operations)
    if revision is None:
        VERSION_TABLE.create(connection)
        connection.execute(sa.insert(VERSION_TABLE).values(version_num=NEWEST))
    else:
        connection.execute(sa.update(VERSION_TABLE).values(version_num=NEWEST))


def _first_form(op: Operations) -> None:
    op.create_table(
        "transforms",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("version", sa.Integer, sa.CheckConstraint("version > 0"), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("blob", sa.String(71), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("feature_service", sa.Text),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("verified_at", sa.String(27)),
        sa.Column("verified_by", sa.Text),
        sa.UniqueConstraint("name", "digest", name="one_version_per_transform"),
    )
    op.create_index("ix_transforms_digest", "transforms", ["digest"])
    op.create_table(
        "models",
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("file_count", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("runtime", sa.Text),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    _first_releases(op)


def _first_releases(op: Operations) -> None:
    op.create_table(
        "releases",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("version", sa.Integer, sa.CheckConstraint("version > 0"), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("transform", sa.String(71), nullable=False),
        sa.Column("feature_service", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.UniqueConstraint("name", "digest", name="one_version_per_release"),
    )
    op.create_index("ix_releases_transform", "releases", ["transform"])
    op.create_table(
        "aliases",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("alias", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["name", "version"], ["releases.name", "releases.version"], name="alias_of_a_release"),
    )
    op.create_table(
        "alias_log",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("from_version", sa.Integer),
        sa.Column("to_version", sa.Integer, nullable=False),
        sa.Column("moved_at", sa.String(27), nullable=False),
        sa.Column("moved_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_index("ix_alias_log_name", "alias_log", ["name"])


REVISIONS: Mapping[str, Callable[[Operations], None]] = {"0001_first_form": _first_form}
NEWEST = list(REVISIONS)[-1]
