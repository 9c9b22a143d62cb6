"""Revokes certificates within somebody else's transaction; each revocation gets the next number."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, update

from store.records import CertificateRecord
from store.schema import certificates

_COLUMNS = certificates.c
# The condition is that of the partial index, without which this would read every certificate there is.
_LAST = select(func.coalesce(func.max(_COLUMNS.revocation_sequence), 0)).where(
    _COLUMNS.revocation_sequence.is_not(None)
)
_REVOKE = (
    update(certificates)
    .where(_COLUMNS.sequence == bindparam("number"))
    .values(
        revoked_at=bindparam("at"), revocation_reason=bindparam("reason"), revocation_sequence=bindparam("revocation")
    )
)


def revoke_records(connection: Connection, records: Sequence[CertificateRecord], *, at: int, reason: int) -> None:
    """Of records that were read in this transaction and are not revoked. The caller holds `Lock.APPEND`."""
    if not records:
        return
    last = connection.execute(_LAST).scalar_one()
    connection.execute(
        _REVOKE,
        [
            {"number": record.sequence, "at": at, "reason": reason, "revocation": revocation}
            for revocation, record in enumerate(records, last + 1)
        ],
    )
