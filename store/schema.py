"""The tables, for both engines.

- Migrations write the schema; a test holds that they end where this module stands.
- Serials begin with the time, so that their unique index grows at one end (a million rows stay cheap to add to).
- Ids are 16 octets in the database and 32 hexadecimal digits outside it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    text,
)


class HexId(TypeDecorator[str]):
    """32 hexadecimal digits, kept as 16 octets."""

    impl = LargeBinary(16)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        return None if value is None else value.hex()


# An INTEGER PRIMARY KEY is SQLite's own row number: no second index.
Sequence = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

certificates = Table(
    "certificates",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("id", HexId, nullable=False),
    Column("serial", LargeBinary, nullable=False),
    Column("issuer_id", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("names", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("key_fingerprint", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("requester", Text, nullable=False),
    Column("request_id", Text),
    Column("token_id", Text),
    Column("issued_at", BigInteger, nullable=False),
    Column("crl_shard", Integer, nullable=False),
    Column("renewed_from", Text),
    Column("revoked_at", BigInteger),
    Column("revocation_reason", SmallInteger),
    Column("revocation_sequence", BigInteger),
    Column("der", LargeBinary, nullable=False),
    Index("certificates_id", "id", unique=True),
    Index("certificates_serial", "serial", unique=True),
    # Not partial: it finds a requester's certificates, too.
    Index("certificates_request", "requester", "request_id", unique=True),
    Index("certificates_expiry", "not_after", "revoked_at"),
    Index(
        "certificates_revocation",
        "revocation_sequence",
        unique=True,
        sqlite_where=text("revocation_sequence IS NOT NULL"),
        postgresql_where=text("revocation_sequence IS NOT NULL"),
    ),
    Index(
        "certificates_renewed_from",
        "renewed_from",
        sqlite_where=text("renewed_from IS NOT NULL"),
        postgresql_where=text("renewed_from IS NOT NULL"),
    ),
    Index(
        "certificates_crl",
        "issuer_id",
        "crl_shard",
        "not_after",
        sqlite_where=text("revoked_at IS NOT NULL"),
        postgresql_where=text("revoked_at IS NOT NULL"),
    ),
)

certificate_names = Table(
    "certificate_names",
    metadata,
    Column("value", Text, primary_key=True),
    Column("sequence", Sequence, primary_key=True),  # no foreign key: it costs a look-up per name on the hottest path
    sqlite_with_rowid=False,
)
"""Each name of a certificate, in lower case, to be found by; `certificates.names` is what they are."""

private_keys = Table(
    "private_keys",
    metadata,
    Column("certificate_id", HexId, ForeignKey("certificates.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("private_keys_expiry", "expires_at"),
)

pod_certificates = Table(
    "pod_certificates",
    metadata,
    Column("certificate_id", HexId, primary_key=True),
    Column("pod_uid", Text, nullable=False),
    Column("node_name", Text, nullable=False),
    Column("credential_id", Text),
    Column("key_fingerprint", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("pod_certificates_pod", "pod_uid"),
    Index("pod_certificates_credential", "credential_id"),
    Index("pod_certificates_expiry", "expires_at"),
)

pods = Table(
    "pods",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("uid", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("service_account", Text, nullable=False),
    Column("node_name", Text, nullable=False),
    Column("dns_names", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("released_at", BigInteger),
    Index("pods_uid", "uid", unique=True),
    Index("pods_expiry", "expires_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("profile", Text, nullable=False),
    Column("bindings", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    Column("spent_at", BigInteger),
    Column("certificate_id", Text),
    Column("deleted_at", BigInteger),
    Index("tokens_id", "id", unique=True),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("request_id", Text),
    Column("details", Text, nullable=False),
    Column("chain_hash", LargeBinary, nullable=False),
    Index("audit_events_subject", "subject_id", "sequence"),
)

authorities = Table(
    "authorities",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("serves", Text, nullable=False, server_default=""),
    Index("authorities_id", "id", unique=True),
)

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

authority_keys = Table(
    "authority_keys",
    metadata,
    Column("authority_id", Text, primary_key=True),
    Column("encrypted", LargeBinary, nullable=False),
)
"""Encrypted PKCS#8; empty with SQLite, beside which keys lie in files."""

crl_numbers = Table(
    "crl_numbers",
    metadata,
    Column("issuer_id", Text, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

rotations = Table(
    "rotations",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("haste", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("incoming", Text, nullable=False),
    Column("outgoing", Text, nullable=False),
    Column("aborted", Boolean, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("entered_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Index("rotations_id", "id", unique=True),
)

issuer_requests = Table(
    "issuer_requests",
    metadata,
    Column("authority_id", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("serves", Text, nullable=False, server_default=""),
)

trust_consumers = Table(
    "trust_consumers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("reported_at", BigInteger, nullable=False),
    Column("serial", LargeBinary),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", Text, primary_key=True),
    Column("view", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
