"""Certificates that pods were given for their service-account tokens.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pod_certificates",
        sa.Column("certificate_id", sa.LargeBinary, primary_key=True),
        sa.Column("pod_uid", sa.Text, nullable=False),
        sa.Column("node_name", sa.Text, nullable=False),
        sa.Column("credential_id", sa.Text),
        sa.Column("key_fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("pod_certificates_pod", "pod_certificates", ["pod_uid"])
    op.create_index("pod_certificates_credential", "pod_certificates", ["credential_id"])
    op.create_index("pod_certificates_expiry", "pod_certificates", ["expires_at"])


def downgrade() -> None:
    raise NotImplementedError("records are not taken back; restore a backup instead")
