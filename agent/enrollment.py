"""How a workload comes by a certificate: with the one that it has, or else with a token.

- Keys are made here; a request carries no names, as the authority knows whose certificate or token it is. DNS names to have beside
  are asked for by name; the authority gives those that the cluster's registrar vouches for.
- A certificate with other DNS names than those that are wanted is not renewed but replaced, by the token. Where that is not to be
  had in time, it is renewed all the same.
- The token is read anew each time: a kubelet replaces it long before it ends.
- What was asked may have been granted though no answer came: it is asked again with the same key and request_id, which
  makes the answer the same certificate. A token that was shown with one key is never shown with another, also after a
  restart (`agent.token_keys`).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agent.authority import Authority
from agent.credentials import Credentials
from agent.errors import (
    AuthorityUnreachable,
    CertificateRefused,
    CredentialsInvalid,
    RenewalFailed,
    RequestRefused,
    TokenUnreadable,
)
from agent.needs_renewal import needs_renewal
from agent.schedule import Clock
from agent.token_keys import TokenKey, TokenKeys
from certs.alternative_names import SubjectAlternativeNames
from certs.key_types import KeyFactory, KeyType, PrivateKey
from certs.keys import encode_private_key
from certs.requests import build_request
from certs.serials import Entropy
from certs.subject import SubjectName

LARGEST_TOKEN = 64 * 1024

_ONE_TIME = "chancery1."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Renewal:
    """What was asked about the certificate `fingerprint`, and will be asked again until there is an answer."""

    fingerprint: bytes
    key: PrivateKey
    csr: bytes
    request_id: str


class Enrollment:
    """Callable as `agent.renewer` wants it: turns what is held, None for nothing, into new credentials."""

    def __init__(
        self,
        authority: Authority,
        *,
        token_file: Path | None,
        token_keys: TokenKeys,
        lifetime: timedelta | None,
        dns_names: tuple[str, ...] = (),
        key_type: KeyType,
        clock: Clock,
        entropy: Entropy,
        key_factory: KeyFactory,
        note: Callable[[str], None],
    ) -> None:
        """Without `token_file` a certificate can be renewed and no first one be had. `dns_names` go with service-account tokens;
        what a one-time token is for, it says itself. `note` is told, in one line, why a token is used though there is a
        certificate, or is not though it should. Raises MalformedName, TooManyNames."""
        self._authority = authority
        self._token_file = token_file
        self._token_keys = token_keys
        self._lifetime = lifetime
        self._dns_names = tuple(sorted(SubjectAlternativeNames.parse(dns=dns_names).dns))
        self._clock = clock
        self._key_type = key_type
        self._entropy = entropy
        self._key_factory = key_factory
        self._note = note
        self._renewal: _Renewal | None = None

    def __call__(self, held: Credentials | None) -> Credentials:
        """Raises RenewalFailed, PublishFailed."""
        if held is None:
            return self._enroll(None)
        if self.wants_other_names(held):
            try:
                return self._enroll(held)
            except RenewalFailed as err:
                if not needs_renewal(held.leaf, self._clock()):
                    raise
                self._note(
                    f"the names that are wanted are not to be had: {err}; the certificate is renewed with those that it has"
                )
        try:
            return self._renew(held)
        except (CertificateRefused, RequestRefused) as err:
            if self._token_file is None or (isinstance(err, RequestRefused) and err.may_pass):
                raise
            self._note(f"the certificate does not renew itself: {err}; the token is asked instead")
        return self._enroll(held)

    def wants_other_names(self, held: Credentials) -> bool:
        """Never where there is no token, or only a one-time token, to get them with."""
        return held.dns_names != self._dns_names and self._has_service_account_token()

    def _has_service_account_token(self) -> bool:
        try:
            return not self._read_token().startswith(_ONE_TIME)
        except TokenUnreadable:
            return self._token_file is not None

    def _renew(self, held: Credentials) -> Credentials:
        asked = self._renewal
        if asked is None or asked.fingerprint != held.fingerprint:
            key = self._key_factory(self._key_type)
            asked = _Renewal(
                fingerprint=held.fingerprint, key=key, csr=_request_for(key), request_id=self._new_request_id()
            )
            self._renewal = asked
        chain = self._authority.renew(held, asked.csr, lifetime=self._lifetime, request_id=asked.request_id)
        self._renewal = None
        return _credentials(chain, asked.key, held.trust_bundle)

    def _enroll(self, held: Credentials | None) -> Credentials:
        token = self._read_token()
        asked = self._token_key(hashlib.sha256(token.encode()).hexdigest())
        is_one_time = token.startswith(_ONE_TIME)
        dns_names = () if is_one_time else self._dns_names
        enrolled = self._authority.enroll(
            token,
            _request_for(asked.key),
            lifetime=self._lifetime,
            dns_names=dns_names,
            request_id=_request_id(asked, held, dns_names),
            held=held,
            replaces="" if held is None or is_one_time else f"{held.leaf.serial_number:032x}",
            path="/v1/enroll" if is_one_time else "/v1/enroll/service-account",
        )
        return _credentials(enrolled.certificate_chain, asked.key, enrolled.trust_bundle)

    def _token_key(self, token_sha256: str) -> TokenKey:
        known = self._token_keys.find(token_sha256)
        if known is not None:
            return known
        made = TokenKey(
            token_sha256=token_sha256, key=self._key_factory(self._key_type), request_id=self._new_request_id()
        )
        self._token_keys.keep(made)
        return made

    def _new_request_id(self) -> str:
        return self._entropy(16).hex()

    def _read_token(self) -> str:
        if self._token_file is None:
            raise TokenUnreadable("there is no certificate yet and no token to get one with; name a token file")
        try:
            with self._token_file.open("rb") as file:
                content = file.read(LARGEST_TOKEN + 1)
        except OSError as err:
            raise TokenUnreadable(f"{self._token_file} cannot be read: {err.strerror}; mount a token there") from err
        token = content.decode("ascii", "replace").strip()
        if not token or len(content) > LARGEST_TOKEN or not token.isascii() or not token.isprintable():
            raise TokenUnreadable(f"{self._token_file} holds no token; is it the right file?")
        return token


def _request_id(asked: TokenKey, held: Credentials | None, dns_names: tuple[str, ...]) -> str:
    """The authority takes a request_id for one request: another list of names is another one, and so is what shall follow another
    certificate. Until its answer is published it is the same one, whenever the agent dies."""
    if held is None and not dns_names:
        return asked.request_id
    about = json.dumps(["" if held is None else held.fingerprint.hex(), *dns_names])
    return f"{asked.request_id}-{hashlib.sha256(about.encode()).hexdigest()[:16]}"


def _request_for(key: PrivateKey) -> bytes:
    return build_request(key, SubjectName(), SubjectAlternativeNames())


def _credentials(chain: bytes, key: PrivateKey, trust_bundle: bytes) -> Credentials:
    try:
        return Credentials.from_pem(
            certificate_chain=chain, private_key=encode_private_key(key), trust_bundle=trust_bundle
        )
    except CredentialsInvalid as err:
        raise AuthorityUnreachable(f"the authority answers with a certificate that cannot be used: {err}") from err
