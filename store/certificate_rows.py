"""Certificate records as rows, and back."""

from operator import attrgetter

import orjson
from sqlalchemy import RowMapping, exists, select

from store.bulk import Row
from store.records import CertificateRecord
from store.schema import certificates, private_keys

_COLUMNS = certificates.c
_HAS_PRIVATE_KEY = exists().where(private_keys.c.certificate_id == _COLUMNS.id).label("has_private_key")

_KEPT = tuple(name for name in CertificateRecord.__slots__ if name not in {"sequence", "has_private_key"})
_kept_values = attrgetter(*_KEPT)

SELECT_CERTIFICATE = select(*(column for column in _COLUMNS if column.name != "revocation_sequence"), _HAS_PRIVATE_KEY)


def certificate_row(record: CertificateRecord, sequence: int) -> Row:
    """In the order of the table's columns. Raises ValueError where the id is not hexadecimal."""
    return (
        sequence,
        bytes.fromhex(record.id),
        record.serial,
        record.issuer_id,
        record.profile,
        record.subject,
        orjson.dumps(record.names).decode(),
        record.not_before,
        record.not_after,
        record.key_fingerprint,
        record.fingerprint,
        record.requester,
        record.request_id,
        record.token_id,
        record.issued_at,
        record.crl_shard,
        record.renewed_from,
        record.revoked_at,
        record.revocation_reason,
        None,
        record.der,
    )


def numbered(record: CertificateRecord, sequence: int, *, has_private_key: bool) -> CertificateRecord:
    """The record as it is in the store. (`dataclasses.replace` takes twice as long, at every certificate.)"""
    kept = zip(_KEPT, _kept_values(record), strict=True)
    return CertificateRecord(sequence=sequence, has_private_key=has_private_key, **dict(kept))


def name_rows(record: CertificateRecord, sequence: int) -> list[Row]:
    return [(value, sequence) for value in {value.lower() for _kind, value in record.names}]


def certificate_record(row: RowMapping) -> CertificateRecord:
    """From a row of `SELECT_CERTIFICATE`."""
    fields = dict(row)
    fields["names"] = tuple((kind, value) for kind, value in orjson.loads(fields["names"]))
    fields["has_private_key"] = bool(fields["has_private_key"])
    return CertificateRecord(**fields)
