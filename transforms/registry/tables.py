"""The registry's tables in their present form; `migrations.py` holds the way from every earlier one."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData()


class Instant(TypeDecorator[datetime]):
    """A zone-aware instant, kept as UTC text of fixed width: it sorts by time and reads well in any client."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text of an instant, `2013-10-01T10:00:00.000000Z`."""
        return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the instant of a text."""
        return None if value is None else datetime.fromisoformat(value)


transforms = sa.Table(
    "transforms",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, sa.CheckConstraint("version > 0"), primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(71), nullable=False, index=True),
    sa.Column("blob", sa.String(71), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("feature_service", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("verified_at", Instant),
    sa.Column("verified_by", sa.Text),
    sa.UniqueConstraint("name", "digest", name="one_version_per_transform"),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("digest", sa.String(71), primary_key=True),
    sa.Column("file_count", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("runtime", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, sa.CheckConstraint("version > 0"), primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(71), nullable=False),
    sa.Column("transform", sa.String(71), nullable=False, index=True),
    sa.Column("feature_service", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.UniqueConstraint("name", "digest", name="one_version_per_release"),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("alias", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["name", "version"], ["releases.name", "releases.version"], name="alias_of_a_release"),
)

alias_log = sa.Table(
    "alias_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, index=True),
    sa.Column("alias", sa.String(63), nullable=False),
    sa.Column("from_version", sa.Integer),
    sa.Column("to_version", sa.Integer, nullable=False),
    sa.Column("moved_at", Instant, nullable=False),
    sa.Column("moved_by", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)
