"""Which certificate a consumer of the trust bundle showed, so that nobody waits for one that was revoked.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trust_consumers", sa.Column("serial", sa.LargeBinary))


def downgrade() -> None:
    raise NotImplementedError("records are not taken back; restore a backup instead")
