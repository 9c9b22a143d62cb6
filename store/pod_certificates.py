"""Which pod a certificate was issued to, for those who must revoke what a pod holds once it is gone.

- Written by `Inventory.record`, in the transaction that records the certificate; what the holder of a pod's certificate asks for
  by it, under its own names, is that pod's as well.
- The same rows say which key a service-account token was used with: one token, one key, whatever replica is asked.
"""

from sqlalchemy import delete, or_, select

from store.certificate_rows import SELECT_CERTIFICATE, certificate_record
from store.database import Database
from store.records import CertificateRecord
from store.schema import certificates, pod_certificates


class PodCertificates:
    """Certificates, by the UID of their pod. Raises StorageFault leaves from every method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_pod(self, pod_uid: str) -> tuple[CertificateRecord, ...]:
        """Those that may still be valid, revoked ones as well, in the order in which they were issued."""
        theirs = (
            SELECT_CERTIFICATE.join(pod_certificates, pod_certificates.c.certificate_id == certificates.c.id)
            .where(pod_certificates.c.pod_uid == pod_uid)
            .order_by(certificates.c.sequence)
        )
        rows = self._database.read(lambda connection: connection.execute(theirs).mappings().all())
        return tuple(certificate_record(row) for row in rows)

    def pod_of(self, id_or_serial: str) -> str | None:
        """The UID of the pod that holds a certificate, found by id or serial in hexadecimal; None where none does, and empty for
        what a registrar vouched for otherwise."""
        try:
            octets = bytes.fromhex(id_or_serial)
        except ValueError:
            return None
        found = (
            select(pod_certificates.c.pod_uid)
            .join(certificates, pod_certificates.c.certificate_id == certificates.c.id)
            .where(or_(certificates.c.id == octets.hex(), certificates.c.serial == octets))
        )
        return self._database.read(lambda connection: connection.execute(found).scalars().first())

    def purge(self, before: int) -> int:
        """Forgets what expired before `before`, durably; returns how much that was. Certificates stay on record."""
        query = delete(pod_certificates).where(pod_certificates.c.expires_at < before)
        return self._database.write(lambda connection: connection.execute(query).rowcount)
