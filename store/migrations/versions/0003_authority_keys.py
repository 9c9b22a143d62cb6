"""The encrypted keys of authorities, where replicas share a database but no disk.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authority_keys",
        sa.Column("authority_id", sa.Text, primary_key=True),
        sa.Column("encrypted", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("keys are not taken back; restore a backup instead")
