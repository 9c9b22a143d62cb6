"""One-time tokens: a way in for those who have no certificate yet, prepared by somebody who has.

- A token is worth exactly one certificate: profile, subject and names are fixed when it is made, by a caller to whom policy
  would have given that certificate, and for no longer. Spending it and recording the certificate are one transaction.
- The store keeps a SHA-256 of the secret (32 random octets need no slower hash); the secret is shown once.
- The text carries the root's fingerprint, so that its bearer can tell the right server from any other.
- Unknown, wrong, spent, withdrawn, expired: one error, so that guessing teaches nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson

from ca.ambient import Clock, Entropy, epoch_seconds, random_id
from ca.audit import Action, audit_event
from ca.calls import Call
from ca.errors import RequestInvalid, TokenNotFound, TokenRefused
from ca.orders import Binding
from ca.policy import Operation, Policy, PolicyRequest
from ca.registry import verify_allowed
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import LEAF_PROFILES
from store import errors as store_errors
from store.records import Page, TokenRecord
from store.tokens import Tokens

DEFAULT_LIFETIME = timedelta(minutes=5)
MAXIMUM_LIFETIME = timedelta(days=7)
_PREFIX = "chancery1"
_TEXT = re.compile(rf"{_PREFIX}\.([0-9a-f]{{32}})\.([A-Za-z0-9_-]{{43}})\.([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSecret:
    """A token as its bearer holds it."""

    id: str
    secret: bytes
    root_fingerprint: bytes

    def __str__(self) -> str:
        return ".".join((_PREFIX, self.id, _encode(self.secret), _encode(self.root_fingerprint)))

    def __repr__(self) -> str:
        return f"TokenSecret(id={self.id!r})"

    @classmethod
    def parse(cls, text: str) -> "TokenSecret":
        """Raises TokenRefused."""
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise TokenRefused("this is not a token; it has the form chancery1.….….…")
        return cls(id=match[1], secret=_decode(match[2]), root_fingerprint=_decode(match[3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is worth."""

    profile: str
    subject: SubjectName
    names: SubjectAlternativeNames
    certificate_lifetime: timedelta | None = None
    public_key_sha256: bytes | None = None

    @property
    def binding(self) -> Binding:
        return Binding(subject=self.subject, names=self.names, exact=True)

    def to_json(self) -> str:
        return orjson.dumps(
            {
                "subject": {name: getattr(self.subject, name) for name in SubjectName.__dataclass_fields__},
                "names": {
                    "dns": self.names.dns,
                    "ips": [str(address) for address in self.names.ips],
                    "uris": self.names.uris,
                    "emails": self.names.emails,
                },
                "certificate_lifetime": self.certificate_lifetime and int(self.certificate_lifetime.total_seconds()),
                "public_key_sha256": self.public_key_sha256 and self.public_key_sha256.hex(),
            }
        ).decode()

    @classmethod
    def from_record(cls, record: TokenRecord) -> "Grant":
        bound = orjson.loads(record.bindings)
        subject: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in bound["subject"].items()
        }
        lifetime, key = bound["certificate_lifetime"], bound["public_key_sha256"]
        return cls(
            profile=record.profile,
            subject=SubjectName(**subject),
            names=SubjectAlternativeNames.parse(**bound["names"]),
            certificate_lifetime=timedelta(seconds=lifetime) if lifetime else None,
            public_key_sha256=bytes.fromhex(key) if key else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDesk:
    """Makes, checks and withdraws tokens. Synchronous: edges call it in worker threads."""

    tokens: Tokens
    policy: Callable[[], Policy]
    clock: Clock
    entropy: Entropy

    def create(
        self, call: Call, grant: Grant, *, lifetime: timedelta, root_fingerprint: bytes
    ) -> tuple[TokenRecord, TokenSecret]:
        """Raises PolicyDenied where the creator itself would not get such a certificate, RequestInvalid."""
        verify_allowed(self.policy(), call, Operation.ADMINISTER)
        if grant.profile not in LEAF_PROFILES:
            raise RequestInvalid(
                f"no leaf profile {grant.profile!r}; take one of {', '.join(LEAF_PROFILES)}", field="profile"
            )
        if not timedelta(seconds=1) <= lifetime <= MAXIMUM_LIFETIME:
            raise RequestInvalid(
                f"a token lives from one second to {MAXIMUM_LIFETIME.days} days", field="token_lifetime"
            )
        if grant.public_key_sha256 is not None and len(grant.public_key_sha256) != hashlib.sha256().digest_size:
            raise RequestInvalid("public_key_sha256 must be 32 octets", field="public_key_sha256")
        grant = self._verify_worth(call, grant)
        now = self.clock()
        secret = TokenSecret(id=random_id(self.entropy), secret=self.entropy(32), root_fingerprint=root_fingerprint)
        record = TokenRecord(
            id=secret.id,
            secret_hash=_hash(secret.secret),
            profile=grant.profile,
            bindings=grant.to_json(),
            created_at=epoch_seconds(now),
            expires_at=epoch_seconds(now + lifetime),
            creator=call.caller.name,
        )
        names = [value for _kind, value in grant.names.all_names()]
        event = audit_event(
            Action.TOKEN_CREATE,
            call,
            at=now,
            subject_id=record.id,
            profile=grant.profile,
            subject=grant.subject.rfc4514,
            names=names,
        )
        self.tokens.add(record, event)
        return record, secret

    def redeem(self, text: str) -> tuple[TokenRecord, Grant]:
        """Checks a token that is about to be spent; recording the certificate spends it. Raises TokenRefused."""
        presented = TokenSecret.parse(text)
        refused = TokenRefused("the token is not valid, or no longer; ask for a new one")
        try:
            record = self.tokens.find(presented.id)
        except store_errors.NotFound as err:
            raise refused from err
        if not hmac.compare_digest(record.secret_hash, _hash(presented.secret)):
            raise refused
        if record.deleted_at is not None or record.expires_at <= epoch_seconds(self.clock()):
            raise refused
        return record, Grant.from_record(record)

    def search(self, call: Call, *, page_size: int, page_token: str) -> Page[TokenRecord]:
        verify_allowed(self.policy(), call, Operation.ADMINISTER)
        return self.tokens.page(page_size=page_size, page_token=page_token)

    def delete(self, call: Call, token_id: str) -> None:
        """Raises TokenNotFound where there is none that could still be spent."""
        verify_allowed(self.policy(), call, Operation.ADMINISTER)
        now = self.clock()
        event = audit_event(Action.TOKEN_DELETE, call, at=now, subject_id=token_id)
        try:
            if self.tokens.find(token_id).spent_at is not None:
                raise TokenNotFound(f"token {token_id} is spent; revoke the certificate that it was spent on")
            self.tokens.delete(token_id, at=epoch_seconds(now), event=event)
        except store_errors.NotFound as err:
            raise TokenNotFound(
                f"no token {token_id[:64]!r} that could still be spent; list them with: ca-cli token list"
            ) from err

    def _verify_worth(self, call: Call, grant: Grant) -> Grant:
        """The grant, with the creator's longest lifetime where it names none. Raises PolicyDenied."""
        decision = self.policy().verify(
            PolicyRequest(
                caller=call.caller,
                operation=Operation.ISSUE,
                profile=grant.profile,
                subject=grant.subject,
                names=grant.names,
                key_type=None,
                lifetime=grant.certificate_lifetime,
            )
        )
        return replace(grant, certificate_lifetime=grant.certificate_lifetime or decision.maximum_lifetime)


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=")
    except binascii.Error as err:
        raise TokenRefused("this is not a token; it has the form chancery1.….….…") from err
