"""The inventory as callers may use it: find, list, follow, revoke, and fetch a key once.

- What a caller asked for itself, or holds, it may read and revoke; for anything else policy must grant the operation.
- Policy is asked about the certificate concerned, its profile and its names: a rule for some names gives no right over others.
- To somebody who may not read it, a certificate that exists and one that does not look the same; only whoever asks for the
  private key of another's is told that it is another's. Identifiers cannot be guessed, and serial numbers are no secret.
- Synchronous: edges call it in worker threads.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography import x509

from ca.ambient import Clock, epoch_seconds
from ca.audit import Action, audit_event
from ca.calls import Call
from ca.errors import AlreadyRevoked, CertificateNotFound, KeyNotFound, NotTheOwner, PolicyDenied
from ca.keys import SealingKey
from ca.policy import Operation, Policy, PolicyRequest
from ca.revocations import Revocations
from certs.holders import alternative_names
from certs.names import SubjectName
from store import errors as store_errors
from store.inventory import Inventory
from store.private_keys import PrivateKeys
from store.records import CertificateFilter, CertificateRecord, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Reads and changes what has been issued."""

    inventory: Inventory
    private_keys: PrivateKeys
    revocations: Revocations
    sealing_key: SealingKey
    policy: Callable[[], Policy]
    clock: Clock

    def find(self, call: Call, certificate_id: str) -> CertificateRecord:
        """Takes an identifier or a serial number. Raises CertificateNotFound."""
        record = self._get(certificate_id)
        if not (_owns(call, record) or self._allows(call, Operation.READ, record)):
            raise _not_found(certificate_id)
        return record

    def search(
        self, call: Call, wanted: CertificateFilter, *, page_size: int, page_token: str
    ) -> Page[CertificateRecord]:
        """Newest first; a page is shorter where not all of it may be read. Raises PolicyDenied where nothing may."""
        verify_allowed(self.policy(), call, Operation.READ)
        page = self.inventory.search(
            wanted, now=epoch_seconds(self.clock()), page_size=page_size, page_token=page_token
        )
        return replace(page, items=tuple(one for one in page.items if self._allows(call, Operation.READ, one)))

    def revoke(self, call: Call, certificate_id: str, reason: int) -> CertificateRecord:
        """Counts from this moment on, in every check of this process. Raises CertificateNotFound, AlreadyRevoked, NotTheOwner."""
        record = self._get(certificate_id)
        if not (_owns(call, record) or self._allows(call, Operation.REVOKE, record)):
            raise (
                _not_found(certificate_id)
                if not self._allows(call, Operation.READ, record)
                else NotTheOwner("this certificate was issued to another identity; ask an administrator to revoke it")
            )
        now = self.clock()
        event = audit_event(
            Action.CERTIFICATE_REVOKE, call, at=now, subject_id=record.id, serial=record.serial.hex(), reason=reason
        )
        try:
            revoked = self.inventory.revoke(record.id, at=epoch_seconds(now), reason=reason, event=event)
        except store_errors.AlreadyRevoked as err:
            raise AlreadyRevoked(f"certificate {record.id} is revoked already") from err
        self.revocations.refresh()
        return revoked

    def take_private_key(self, call: Call, certificate_id: str) -> bytes:
        """Opens a key that the server made, and forgets it. PKCS#8 PEM. Raises KeyNotFound, NotTheOwner."""
        record = self._get(certificate_id)
        if record.requester != call.caller.name and not self._allows(call, Operation.FETCH_KEY, record):
            raise NotTheOwner("this key was made for another identity; only it, or an administrator, may fetch it")
        now = self.clock()
        event = audit_event(Action.KEY_FETCH, call, at=now, subject_id=record.id, serial=record.serial.hex())
        try:
            sealed = self.private_keys.take(record.id, at=epoch_seconds(now), event=event)
        except store_errors.NotFound as err:
            raise KeyNotFound(
                f"no private key is kept for {record.id}: it was made by its holder, fetched before, or kept too long"
            ) from err
        return self.sealing_key.open(sealed.sealed, subject_id=record.id)

    def _get(self, certificate_id: str) -> CertificateRecord:
        try:
            return self.inventory.find(certificate_id)
        except store_errors.NotFound as err:
            raise _not_found(certificate_id) from err

    def _allows(self, call: Call, operation: Operation, record: CertificateRecord) -> bool:
        return is_allowed(self.policy(), call, operation, record)


def verify_allowed(policy: Policy, call: Call, operation: Operation) -> None:
    """Raises PolicyDenied where no rule grants the operation, which concerns no certificate in particular."""
    decision = policy.decide(PolicyRequest(caller=call.caller, operation=operation))
    if not decision.allowed:
        raise PolicyDenied(decision.explanation, rule=decision.rule or "")


def is_allowed(policy: Policy, call: Call, operation: Operation, record: CertificateRecord) -> bool:
    """Whether a rule grants the operation on this certificate."""
    certificate = x509.load_der_x509_certificate(record.der)
    request = PolicyRequest(
        caller=call.caller,
        operation=operation,
        profile=record.profile,
        subject=SubjectName.from_x509(certificate.subject),
        names=alternative_names(certificate),
    )
    return policy.decide(request).allowed


def _owns(call: Call, record: CertificateRecord) -> bool:
    return record.requester == call.caller.name or record.serial.hex() == call.caller.serial_number


def _not_found(certificate_id: str) -> CertificateNotFound:
    return CertificateNotFound(f"no certificate {certificate_id[:64]!r} that you may see; list yours with: ca-cli list")
