"""The OCSP responder (RFC 6960): says of each certificate what the inventory says, signed by a delegate of the issuing CA.

- Never `good` for what was not issued: a serial that is not recorded under the issuer is `unknown`.
- Each issuing CA has a delegate of its own, those that have been replaced, too. Its key is made in memory when the first request
  comes, and again at two thirds of its certificate's life.
- The delegate's key is P-256, or like the issuing CA's where that is ML-DSA: what a quantum computer cannot forge in a certificate
  it shall not forge in an answer either.
- An answer without a nonce is kept and given again, for half of its validity or until the next revocation.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from ca.ambient import Clock
from ca.authority import Authority
from ca.hierarchy import IssuingAuthority
from ca.issuers import Issuers
from ca.revocations import Revocations
from certs.crl import RevocationReason
from certs.errors import IssuerExpired, MalformedOcspRequest, MalformedSerial
from certs.keys import KeyFactory, KeyType
from certs.names import SubjectName
from certs.ocsp import CertificateStatus, Good, OcspError, OcspResponder, Revoked, Unknown, ocsp_error
from certs.ocsp_requests import CertificateId, OcspRequest
from certs.serials import Serial
from store.errors import NotFound
from store.inventory import Inventory

VALIDITY = timedelta(hours=1)
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspAnswer:
    """DER of an OCSPResponse; `fresh_until` is None where nobody should keep it."""

    der: bytes
    fresh_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delegate:
    responder: OcspResponder
    issuer_id: str
    renew_at: datetime


class OcspDesk:
    """Answers requests. Synchronous and thread-safe: edges call it in worker threads."""

    def __init__(
        self,
        *,
        authority: Authority,
        issuers: Issuers,
        inventory: Inventory,
        revocations: Revocations,
        key_factory: KeyFactory,
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._issuers = issuers
        self._inventory = inventory
        self._revocations = revocations
        self._key_factory = key_factory
        self._clock = clock
        self._lock = threading.Lock()
        self._delegates: dict[str, _Delegate] = {}
        self._answers: OrderedDict[tuple[bytes, int], OcspAnswer] = OrderedDict()

    def answer(self, encoded: bytes) -> OcspAnswer:
        """Takes and gives DER; what cannot be read is answered too (RFC 6960 section 2.3). Raises store errors."""
        try:
            request = OcspRequest.from_bytes(encoded)
        except MalformedOcspRequest:
            return OcspAnswer(der=ocsp_error(OcspError.MALFORMED_REQUEST))
        if request.nonce is not None or len(request.certificate_ids) > 1:
            return self._sign(request)
        key = (request.certificate_ids[0].encoded, self._revocations.count)
        known = self._answers.get(key)
        if known is not None and known.fresh_until is not None and self._clock() < known.fresh_until:
            return known
        answer = self._sign(request)
        if answer.fresh_until is not None:
            self._answers[key] = answer
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    def _sign(self, request: OcspRequest) -> OcspAnswer:
        delegate = self._delegate_for(request)
        if delegate is None:
            return OcspAnswer(der=ocsp_error(OcspError.UNAUTHORIZED))
        now = self._clock().replace(microsecond=0)
        der = delegate.responder.sign(
            [(one, self._status(one, delegate.issuer_id)) for one in request.certificate_ids],
            produced_at=now,
            this_update=now,
            next_update=now + VALIDITY,
            nonce=request.nonce,
        )
        return OcspAnswer(der=der, fresh_until=None if request.nonce is not None else now + VALIDITY / 2)

    def _status(self, certificate_id: CertificateId, issuer_id: str) -> CertificateStatus:
        try:
            record = self._inventory.find(Serial.from_int(certificate_id.serial).hex)
        except (MalformedSerial, NotFound):
            return Unknown()
        if record.issuer_id != issuer_id:
            return Unknown()
        if record.revoked_at is None:
            return Good()
        return Revoked(
            revoked_at=datetime.fromtimestamp(record.revoked_at, UTC),
            reason=RevocationReason(record.revocation_reason or 0),
        )

    def _delegate_for(self, request: OcspRequest) -> _Delegate | None:
        """Of the issuing CA, new or old, that one of the certificates asked about is of."""
        for one in self._issuers.signing():
            try:
                delegate = self._current_delegate(one)
            except IssuerExpired:
                continue
            if any(map(delegate.responder.is_responsible_for, request.certificate_ids)):
                return delegate
        return None

    def _current_delegate(self, issuing: IssuingAuthority) -> _Delegate:
        with self._lock:
            delegate = self._delegates.get(issuing.id)
            if delegate is None or self._clock() >= delegate.renew_at:
                delegate = self._delegates[issuing.id] = self._make_delegate(issuing)
            return delegate

    def _make_delegate(self, issuing: IssuingAuthority) -> _Delegate:
        above = issuing.issuer.key_type
        key = self._key_factory(above if above.is_post_quantum else KeyType.EC_P256)
        subject = SubjectName(common_name="chancery-ocsp")
        record = self._authority.issue_own(
            key.public_key(), purpose="ocsp", profile="ocsp", subject=subject, issuer_id=issuing.id
        )
        lifetime = timedelta(seconds=(record.not_after - record.not_before) * 2 // 3)
        return _Delegate(
            responder=OcspResponder(issuing.issuer.certificate, x509.load_der_x509_certificate(record.der), key),
            issuer_id=record.issuer_id,
            renew_at=datetime.fromtimestamp(record.not_before, UTC) + lifetime,
        )
