"""Issuing CAs that serve some profiles alone.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("authorities", "issuer_requests"):
        op.add_column(table, sa.Column("serves", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("records are not taken back; restore a backup instead")
