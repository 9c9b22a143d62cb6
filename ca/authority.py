"""Issues certificates: the one path by which anything gets signed.

The order is part of the design. A caller is authenticated at the edge (1); then, for each order,

    2 parse the request, verify proof of possession     6 lint the template, fail closed
    3 resolve the profile                               7 sign
    4 ask the policy                                    8 inspect the result with code that did not build it
    5 make a template with a fresh serial               9 record certificate, key, token and event in one transaction

and only then (10) does it leave the process. A crash may lose a signature that nobody has seen, never a certificate
that nobody recorded.

- Steps 2 to 8 touch neither disk nor network; step 9 is one transaction for a whole batch of orders.
- `request_id` makes a retry return the same certificate, whatever was signed meanwhile.
- One order's failure is that order's alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ca.ambient import Clock, Entropy, epoch_seconds
from ca.audit import Action, audit_event
from ca.callers import Caller, CallerKind
from ca.calls import Call
from ca.errors import (
    InvalidArgument,
    NamesNotRegistered,
    PodMismatch,
    PodReleased,
    PolicyDenied,
    RenewalRefused,
    RequestIdReused,
    RequestInvalid,
    TokenRefused,
)
from ca.hierarchy import IssuingAuthority
from ca.issuers import Issuers
from ca.keys import SealingKey
from ca.orders import Order, Outcome, PodCredential, PodIdentity
from ca.policy import Operation, Policy, PolicyRequest
from ca.revocations import Revocations
from ca.settings import Issuance as IssuanceSettings
from certs.errors import IssuerExpired, WeakKey
from certs.fingerprints import certificate_fingerprint
from certs.inspection import verify_issued
from certs.keys import KeyType, PublicKey, encode_private_key
from certs.lifetimes import format_lifetime
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import LEAF_PROFILES, Profile
from certs.requests import CertificateRequest
from certs.serials import Serial
from certs.templates import CertificateTemplate, validity
from store import errors as store_errors
from store.errors import CredentialReused, StoreError, TokenExpired, TokenSpent
from store.inventory import Inventory
from store.records import (
    AuditEvent,
    CertificateRecord,
    HeldCertificate,
    Issuance,
    PodCertificate,
    PodRecord,
    SealedKey,
)

T = TypeVar("T")
_NO_NAMES = SubjectAlternativeNames()


class Authority:
    """Prepares and records certificates. Safe to use from several threads; `policy` is asked for at every order."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        issuers: Issuers,
        policy: Callable[[], Policy],
        revocations: Revocations,
        sealing_key: SealingKey,
        settings: IssuanceSettings,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._inventory = inventory
        self._issuers = issuers
        self._policy = policy
        self._revocations = revocations
        self._sealing_key = sealing_key
        self._settings = settings
        self._clock = clock
        self._entropy = entropy

    def issue(self, order: Order) -> CertificateRecord:
        """One order, from beginning to end, in the caller's thread. Raises what `prepare` answers, and store errors."""
        (prepared,) = self.prepare([order])
        outcome = prepared if isinstance(prepared, Exception) else self.record([order], [prepared])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def issue_own(
        self,
        public_key: PublicKey,
        *,
        purpose: str,
        profile: str,
        subject: SubjectName,
        names: SubjectAlternativeNames = _NO_NAMES,
        usual_lifetime: timedelta | None = None,
        issuer_id: str | None = None,
        renewed_from: str | None = None,
    ) -> CertificateRecord:
        """A certificate that the process itself asks for; `purpose` is what the audit trail shows as the request.

        `issuer_id` has it signed by an issuing CA that no longer signs for others. Raises what `issue` does; IssuerNotFound.
        """
        return self.issue(
            Order(
                call=Call(caller=Caller.local(), id=purpose),
                operation=Operation.ISSUE,
                profile=profile,
                request=CertificateRequest.for_key(public_key, subject, names),
                usual_lifetime=usual_lifetime,
                issuer_id=issuer_id,
                renewed_from=renewed_from,
            )
        )

    def prepare(self, orders: Sequence[Order]) -> list[Issuance | Exception]:
        """Steps 2 to 8: signed certificates that have not been recorded, and so must not leave the process.

        Each step is taken for all orders before the next: signing and verifying back to back, with warm caches, is a
        quarter cheaper. Answers, for an order that fails, errors of `certs`, PolicyDenied, InvalidArgument or NoIssuingAuthority.
        """
        requests = _each(self._parse, orders)
        drafts = _each(self._draft, orders, requests)
        signed = _each(self._sign, drafts)
        return _each(self._inspect, drafts, signed)

    def record(self, orders: Sequence[Order], issuances: Sequence[Issuance]) -> tuple[Outcome, ...]:
        """Step 9: durable once it returns. Raises StoreError where the whole transaction failed and nothing was recorded."""
        outcomes = self._inventory.record(issuances)
        return tuple(map(_settle, orders, issuances, outcomes))

    def verify_permitted(
        self, order: Order, *, key_type: KeyType, subject: SubjectName, names: SubjectAlternativeNames
    ) -> None:
        """Asks the policy ahead of costly work, such as making an RSA key. Raises what step 4 raises."""
        self._decide(order, _leaf_profile(order.profile), key_type, subject, names)

    def _parse(self, order: Order) -> CertificateRequest:
        """Step 2."""
        request = order.request
        if isinstance(request, bytes):
            request = CertificateRequest.from_bytes(request)
        if self._revocations.has_key(hashlib.sha256(request.public_key_info).digest()):
            raise WeakKey("this key belonged to a certificate that was revoked; make a new one")
        binding = order.binding
        if binding is None:
            return request
        if binding.exact:
            _verify_within(request.names, binding.names)
        return replace(request, subject=binding.subject, names=binding.names)

    def _draft(self, order: Order, request: CertificateRequest) -> "_Draft":
        profile = _leaf_profile(order.profile)  # 3
        longest = self._decide(order, profile, request.key_type, request.subject, request.names)  # 4
        active = self._issuers.active(profile.name) if order.issuer_id is None else self._issuers.get(order.issuer_id)
        now = self._clock()
        template, shard = self._template(order, request, profile, active, now, longest)  # 5
        active.linter.verify(template)  # 6
        return _Draft(order=order, template=template, active=active, crl_shard=shard, decided_at=now)

    def _sign(self, draft: "_Draft") -> bytes:
        """Step 7."""
        return draft.active.signer.sign(draft.template)

    def _inspect(self, draft: "_Draft", der: bytes) -> Issuance:
        """Step 8, and what step 9 will record."""
        verify_issued(der, template=draft.template, issuer=draft.active.issuer)
        return self._issuance(draft, der)

    def _decide(
        self, order: Order, profile: Profile, key_type: KeyType, subject: SubjectName, names: SubjectAlternativeNames
    ) -> timedelta | None:
        """Raises PolicyDenied; returns the longest lifetime, from policy and token; None where neither sets one."""
        if order.call.caller.kind is CallerKind.LOCAL:
            return None
        decision = self._policy().verify(
            PolicyRequest(
                caller=order.call.caller,
                operation=order.operation,
                profile=profile.name,
                subject=subject,
                names=names,
                key_type=key_type,
                lifetime=order.lifetime,
            )
        )
        caps = [cap for cap in (decision.maximum_lifetime, order.maximum_lifetime) if cap is not None]
        return min(caps, default=None)

    def _template(
        self,
        order: Order,
        request: CertificateRequest,
        profile: Profile,
        active: IssuingAuthority,
        now: datetime,
        longest: timedelta | None,
    ) -> tuple[CertificateTemplate, int]:
        if order.lifetime is not None and longest is not None and order.lifetime > longest:
            raise PolicyDenied(f"at most {format_lifetime(longest)} may be asked for; ask for less")
        usual = min(order.usual_lifetime or profile.default_lifetime, longest or profile.maximum_lifetime)
        issuer = active.issuer
        try:
            not_before, not_after = validity(
                profile if usual == profile.default_lifetime else replace(profile, default_lifetime=usual),
                now,
                order.lifetime,
                issuer.not_after,
                issuer_not_before=issuer.not_before,
            )
        except IssuerExpired as err:
            raise IssuerExpired(_what_ended(active, profile.name)) from err
        serial = Serial.mint(now, self._entropy)
        shard = int.from_bytes(serial.octets[-2:]) % self._settings.crl_shards
        template = CertificateTemplate(
            profile=profile,
            serial=serial,
            subject=request.subject,
            names=request.names,
            public_key=request.public_key,
            public_key_info=request.public_key_info,
            not_before=not_before,
            not_after=not_after,
            crl_distribution_point=self._crl_url(active.id, shard),
            ocsp_url=self._settings.ocsp_url or None,
        )
        return template, shard

    def _crl_url(self, issuer_id: str, shard: int) -> str | None:
        base = self._settings.crl_base_url
        return f"{base.rstrip('/')}/crl/{issuer_id}/{shard}.crl" if base else None

    def _issuance(self, draft: "_Draft", der: bytes) -> Issuance:
        template, now = draft.template, draft.decided_at
        # Begins with the time, as a serial does, so that its index grows at one end.
        certificate_id = Serial.mint(now, self._entropy).hex
        fingerprint = certificate_fingerprint(der)
        record = CertificateRecord(
            sequence=None,
            id=certificate_id,
            serial=template.serial.octets,
            issuer_id=draft.active.id,
            profile=template.profile.name,
            subject=template.subject.rfc4514,
            names=_indexed_names(template),
            not_before=epoch_seconds(template.not_before),
            not_after=epoch_seconds(template.not_after),
            key_fingerprint=hashlib.sha256(template.public_key_info).digest(),
            fingerprint=fingerprint,
            der=der,
            requester=draft.order.call.caller.name,
            request_id=draft.order.request_id,
            token_id=draft.order.token_id,
            issued_at=epoch_seconds(now),
            crl_shard=draft.crl_shard,
            renewed_from=draft.order.renewed_from,
            has_private_key=draft.order.server_key is not None,
        )
        return Issuance(
            certificate=record,
            event=self._event(draft.order, record, now),
            sealed_key=self._sealed(draft.order, certificate_id, now),
            pod=_pod_certificate(draft.order, record),
            asked_with=_asked_with(draft.order, record),
            is_registrars_word=draft.order.operation is Operation.REGISTER and draft.order.pod is None,
        )

    def _event(self, order: Order, record: CertificateRecord, now: datetime) -> AuditEvent:
        return audit_event(
            Action.CERTIFICATE_RENEW if order.renewed_from else Action.CERTIFICATE_ISSUE,
            order.call,
            at=now,
            subject_id=record.id,
            serial=record.serial.hex(),
            profile=record.profile,
            subject=record.subject,
            names=[value for _kind, value in record.names],
            not_after=record.not_after,
            sha256=record.fingerprint.hex(),
            renewed_from=order.renewed_from,
            **(order.pod.details if order.pod is not None else {}),
        )

    def _sealed(self, order: Order, certificate_id: str, now: datetime) -> SealedKey | None:
        if order.server_key is None:
            return None
        return SealedKey(
            certificate_id=certificate_id,
            sealed=self._sealing_key.seal(encode_private_key(order.server_key), subject_id=certificate_id),
            owner=order.call.caller.name,
            expires_at=epoch_seconds(now + self._settings.key_retention),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An order that was granted, linted and waits for its signature."""

    order: Order
    template: CertificateTemplate
    active: IssuingAuthority
    crl_shard: int
    decided_at: datetime


def _each(step: Callable[..., T], *columns: Sequence[Any]) -> list[T | Exception]:
    """Takes a step for every row of `columns`; a row that has failed, or fails now, carries its error on."""
    results: list[T | Exception] = []
    for row in zip(*columns, strict=True):
        error = next((one for one in row if isinstance(one, Exception)), None)
        try:
            results.append(step(*row) if error is None else error)
        except Exception as err:  # noqa: BLE001 - whatever it is, it is this order's answer and nobody else's
            results.append(err)
    return results


def _what_ended(active: IssuingAuthority, profile: str) -> str:
    """Of the chain, the certificate that ends first and leaves no room for a leaf; and what to do."""
    root = active.issuer.full_chain[-1]
    end = f"{active.issuer.not_after:%Y-%m-%dT%H:%M:%SZ}"
    if root.not_valid_after_utc == active.issuer.not_after:
        return f"the root ends at {end}, and with it all that is below it; replace it with: ca-cli rotate root --now"
    return (
        f"the issuing CA for profile {profile} ends at {end}; "
        f"replace it with: ca-cli rotate issuer --profile {profile} --now"
    )


def _leaf_profile(name: str) -> Profile:
    """Raises InvalidArgument: CA certificates are not to be had over the wire."""
    profile = LEAF_PROFILES.get(name)
    if profile is None:
        raise InvalidArgument(f"there is no leaf profile {name[:64]!r}; take one of {', '.join(LEAF_PROFILES)}")
    return profile


def _verify_within(asked: SubjectAlternativeNames, bound: SubjectAlternativeNames) -> None:
    """Raises RequestInvalid where a request asks for a name that its token is not bound to."""
    foreign = set(asked.all_names()) - set(bound.all_names())
    if foreign:
        names = ", ".join(sorted(value for _kind, value in foreign))
        raise RequestInvalid(f"the token is not bound to {names}; ask for a token with these names", field="csr")


def _indexed_names(template: CertificateTemplate) -> tuple[tuple[str, str], ...]:
    common_name = template.subject.common_name
    return (*template.names.all_names(), *((("cn", common_name),) if common_name else ()))


def _pod_certificate(order: Order, record: CertificateRecord) -> PodCertificate | None:
    if order.pod is None:
        return None
    pod = order.pod
    credential = pod if isinstance(pod, PodCredential) else None
    return PodCertificate(
        certificate_id=record.id,
        pod=pod_record(pod, dns_names=() if credential is None else credential.dns_names),
        credential_id=None if credential is None else credential.credential_id,
        key_fingerprint=record.key_fingerprint,
        expires_at=record.not_after if credential is None else max(credential.expires_at, record.not_after),
    )


def pod_record(pod: PodIdentity, *, dns_names: tuple[str, ...]) -> PodRecord:
    return PodRecord(
        uid=pod.pod_uid,
        namespace=pod.namespace,
        name=pod.pod_name,
        service_account=pod.service_account,
        node_name=pod.node_name,
        dns_names=tuple(sorted(dns_names)),
    )


def _asked_with(order: Order, record: CertificateRecord) -> HeldCertificate | None:
    """The caller's certificate where it asks for a name of its own; what a registrar asks for is another's."""
    caller = order.call.caller
    if caller.serial_number is None or caller.names.is_empty or order.operation is Operation.REGISTER:
        return None
    own = tuple(set(caller.names.all_names()).intersection(record.names))
    return HeldCertificate(serial=bytes.fromhex(caller.serial_number), names=own) if own else None


def _settle(order: Order, issuance: Issuance, outcome: CertificateRecord | StoreError) -> Outcome:
    """Tells a retry (the same names and the same key, or a key of ours again) from another request under a used request_id."""
    if isinstance(outcome, (TokenSpent, TokenExpired)):
        return TokenRefused("the token is not valid, or no longer; ask for a new one")
    if isinstance(outcome, CredentialReused):
        return TokenRefused(str(outcome))
    if isinstance(outcome, store_errors.NotByItsHolder):
        return RenewalRefused(f"this certificate gets no successor: {outcome}")
    if isinstance(outcome, (store_errors.PodReleased, store_errors.PodMismatch, store_errors.NamesNotRegistered)):
        return _settle_pod(order, outcome)
    if isinstance(outcome, StoreError) or outcome.id == issuance.certificate.id:
        return outcome
    asked = issuance.certificate
    same = (outcome.profile, outcome.subject, outcome.names) == (asked.profile, asked.subject, asked.names)
    same_key = outcome.key_fingerprint == asked.key_fingerprint or order.server_key is not None
    return (
        outcome
        if same and same_key
        else RequestIdReused("this request_id was used for another request; take a fresh one")
    )


def _settle_pod(order: Order, refusal: StoreError) -> Outcome:
    """Whoever asks by a certificate of the pod is not told to try again: with its token it can ask for what there is now."""
    if order.pod is None:
        return RenewalRefused(f"{refusal}; enroll again with the pod's token")
    if isinstance(refusal, store_errors.PodReleased):
        return PodReleased(str(refusal))
    if isinstance(refusal, store_errors.PodMismatch):
        return PodMismatch(str(refusal))
    return NamesNotRegistered(str(refusal))
