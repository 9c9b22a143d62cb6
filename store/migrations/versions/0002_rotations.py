"""Rotations of issuing CAs and roots, who holds which trust bundle, and which replicas there are.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "rotations",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("haste", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("incoming", sa.Text, nullable=False),
        sa.Column("outgoing", sa.Text, nullable=False),
        sa.Column("aborted", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("entered_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
    )
    op.create_index("rotations_id", "rotations", ["id"], unique=True)
    op.create_table(
        "trust_consumers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("reported_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "replicas",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    condition = sa.text("renewed_from IS NOT NULL")
    op.create_index(
        "certificates_renewed_from",
        "certificates",
        ["renewed_from"],
        sqlite_where=condition,
        postgresql_where=condition,
    )


def downgrade() -> None:
    raise NotImplementedError("records are not taken back; restore a backup instead")
