"""Versions of objects, their bodies, and how far the log has come.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_REVISION = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_ORDERED = sa.Text(collation="C").with_variant(sa.Text, "sqlite")
_PRESENT = sa.text("superseded_at IS NULL")
_SUPERSEDED = sa.text("superseded_at IS NOT NULL")
_IN_FILES = sa.text("digest IS NOT NULL")


def upgrade() -> None:
    _versions()
    op.create_table(
        "object_bodies",
        sa.Column("id", _REVISION, primary_key=True, autoincrement=False),
        sa.Column("encoding", sa.SmallInteger, nullable=False),
        sa.Column("octets", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("digest", sa.LargeBinary),
    )
    op.create_index(
        "object_bodies_digest", "object_bodies", ["digest"], sqlite_where=_IN_FILES, postgresql_where=_IN_FILES
    )
    state = op.create_table(
        "log_state",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("oldest", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 1, "oldest": 1}])


def downgrade() -> None:
    raise NotImplementedError("versions are not taken back; restore a backup instead")


def _versions() -> None:
    op.create_table(
        "object_versions",
        sa.Column("revision", _REVISION, primary_key=True, autoincrement=False),
        sa.Column("storage", sa.Text, nullable=False),
        sa.Column("namespace", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("previous", _REVISION),
        sa.Column("superseded_at", _REVISION),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("projection", sa.LargeBinary, nullable=False),
        sa.Column("body_id", _REVISION, nullable=False),
        sa.Column("body_octets", sa.BigInteger, nullable=False),
    )
    op.create_index("object_versions_key", "object_versions", ["storage", "namespace", "name", "revision"])
    op.create_index(
        "object_versions_present",
        "object_versions",
        ["storage", "namespace", "name", "superseded_at", "body_octets"],
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    op.create_index("object_versions_storage", "object_versions", ["storage", "revision"])
    op.create_index(
        "object_versions_superseded",
        "object_versions",
        ["superseded_at"],
        sqlite_where=_SUPERSEDED,
        postgresql_where=_SUPERSEDED,
    )
    op.create_index("object_versions_body", "object_versions", ["body_id"])
