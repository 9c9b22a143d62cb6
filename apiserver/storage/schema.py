"""The tables of the change log, for both engines.

- Migrations write the schema; a test holds that they end where this module stands.
- A version is valid from `revision` until `superseded_at`; the present is where that is null.
- A body's number is the revision that brought it. Later versions may refer to the same body.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

# An INTEGER PRIMARY KEY is SQLite's own row number: no second index.
Revision = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

versions = Table(
    "object_versions",
    metadata,
    Column("revision", Revision, primary_key=True, autoincrement=False),
    Column("storage", Text, nullable=False),
    Column("namespace", Text(collation="C").with_variant(Text, "sqlite"), nullable=False),
    Column("name", Text(collation="C").with_variant(Text, "sqlite"), nullable=False),
    Column("uid", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("previous", Revision),
    Column("superseded_at", Revision),
    Column("metadata", LargeBinary, nullable=False),
    Column("projection", LargeBinary, nullable=False),
    Column("body_id", Revision, nullable=False),
    Column("body_octets", BigInteger, nullable=False),
    Index("object_versions_key", "storage", "namespace", "name", "revision"),
    Index(
        "object_versions_present",
        "storage",
        "namespace",
        "name",
        "superseded_at",
        "body_octets",
        sqlite_where=text("superseded_at IS NULL"),
        postgresql_where=text("superseded_at IS NULL"),
    ),
    Index("object_versions_storage", "storage", "revision"),
    Index(
        "object_versions_superseded",
        "superseded_at",
        sqlite_where=text("superseded_at IS NOT NULL"),
        postgresql_where=text("superseded_at IS NOT NULL"),
    ),
    Index("object_versions_body", "body_id"),
)
"""A tombstone is superseded by itself: it is never what an object was. The index of what is present answers counts alone."""

bodies = Table(
    "object_bodies",
    metadata,
    Column("id", Revision, primary_key=True, autoincrement=False),
    Column("encoding", SmallInteger, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("content", LargeBinary),
    Column("digest", LargeBinary),
    Index(
        "object_bodies_digest",
        "digest",
        sqlite_where=text("digest IS NOT NULL"),
        postgresql_where=text("digest IS NOT NULL"),
    ),
)
"""`content` null: the octets are in the file that `digest` (SHA-256 of the encoded body) names."""

log_state = Table(
    "log_state",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("oldest", BigInteger, nullable=False),
)
"""One row: the newest revision that was given out, and the oldest whose state can be read."""
