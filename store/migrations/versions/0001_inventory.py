"""The inventory, its keys and tokens, the audit trail and the authorities.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _certificates()
    _private_keys()
    _tokens()
    _audit_events()
    _authorities()


def downgrade() -> None:
    raise NotImplementedError("records are not taken back; restore a backup instead")


def _certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("serial", sa.LargeBinary, nullable=False),
        sa.Column("issuer_id", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("key_fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("token_id", sa.Text),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("crl_shard", sa.Integer, nullable=False),
        sa.Column("renewed_from", sa.Text),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("revocation_reason", sa.SmallInteger),
        sa.Column("revocation_sequence", sa.BigInteger),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
    op.create_index("certificates_id", "certificates", ["id"], unique=True)
    op.create_index("certificates_serial", "certificates", ["serial"], unique=True)
    op.create_index("certificates_request", "certificates", ["requester", "request_id"], unique=True)
    op.create_index("certificates_expiry", "certificates", ["not_after", "revoked_at"])
    _partial_index("certificates_revocation", ["revocation_sequence"], "revocation_sequence IS NOT NULL", unique=True)
    _partial_index("certificates_crl", ["issuer_id", "crl_shard", "not_after"], "revoked_at IS NOT NULL", unique=False)
    op.create_table(
        "certificate_names",
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("sequence", _SEQUENCE, primary_key=True),
        sqlite_with_rowid=False,
    )


def _partial_index(name: str, columns: list[str], where: str, *, unique: bool) -> None:
    condition = sa.text(where)
    op.create_index(name, "certificates", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _private_keys() -> None:
    op.create_table(
        "private_keys",
        sa.Column("certificate_id", sa.LargeBinary(16), sa.ForeignKey("certificates.id"), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("private_keys_expiry", "private_keys", ["expires_at"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("bindings", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.Column("spent_at", sa.BigInteger),
        sa.Column("certificate_id", sa.Text),
        sa.Column("deleted_at", sa.BigInteger),
    )
    op.create_index("tokens_id", "tokens", ["id"], unique=True)


def _audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("audit_events_subject", "audit_events", ["subject_id", "sequence"])


def _authorities() -> None:
    op.create_table(
        "authorities",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
    op.create_index("authorities_id", "authorities", ["id"], unique=True)
    op.create_table(
        "sealing_keys",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "crl_numbers",
        sa.Column("issuer_id", sa.Text, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
