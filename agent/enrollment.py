"""How a workload comes by a certificate: with the one that it has, or else with a token.

- Keys are made here, in memory; a request carries no names, as the authority knows whose certificate or token it is.
- The token is read anew each time: a kubelet replaces it long before it ends.
- What was asked may have been granted though no answer came: it is asked again with the same key and request_id, which
  makes the answer the same certificate. A token that has been spent on one key is never shown with another.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from agent.authority import Authority
from agent.credentials import Credentials
from agent.errors import AuthorityUnreachable, CertificateRefused, CredentialsInvalid, RequestRefused, TokenUnreadable
from certs.alternative_names import SubjectAlternativeNames
from certs.key_types import KeyFactory, KeyType, PrivateKey
from certs.keys import encode_private_key
from certs.requests import build_request
from certs.serials import Entropy
from certs.subject import SubjectName

LARGEST_TOKEN = 64 * 1024

_ONE_TIME = "chancery1."
_RENEWAL, _ENROLLMENT = "renewal", "enrollment"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """What was asked and will be asked again, for as long as `occasion` is the same."""

    occasion: bytes
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
        lifetime: timedelta | None,
        key_type: KeyType,
        entropy: Entropy,
        key_factory: KeyFactory,
        note: Callable[[str], None],
    ) -> None:
        """Without `token_file` a certificate can be renewed and no first one be had. `note` is told, in one line, why a
        token is used though there is a certificate."""
        self._authority = authority
        self._token_file = token_file
        self._lifetime = lifetime
        self._key_type = key_type
        self._entropy = entropy
        self._key_factory = key_factory
        self._note = note
        self._attempts: dict[str, _Attempt] = {}

    def __call__(self, held: Credentials | None) -> Credentials:
        """Raises RenewalFailed."""
        if held is None:
            return self._enroll(None)
        try:
            return self._renew(held)
        except (CertificateRefused, RequestRefused) as err:
            if self._token_file is None or (isinstance(err, RequestRefused) and err.may_pass):
                raise
            self._note(f"the certificate does not renew itself: {err}; the token is asked instead")
        return self._enroll(held)

    def _renew(self, held: Credentials) -> Credentials:
        attempt = self._attempt(_RENEWAL, held.fingerprint)
        chain = self._authority.renew(held, attempt.csr, lifetime=self._lifetime, request_id=attempt.request_id)
        del self._attempts[_RENEWAL]
        return _credentials(chain, attempt.key, held.trust_bundle)

    def _enroll(self, held: Credentials | None) -> Credentials:
        token = self._read_token()
        attempt = self._attempt(_ENROLLMENT, hashlib.sha256(token.encode()).digest())
        enrolled = self._authority.enroll(
            token,
            attempt.csr,
            lifetime=self._lifetime,
            request_id=attempt.request_id,
            held=held,
            path="/v1/enroll" if token.startswith(_ONE_TIME) else "/v1/enroll/service-account",
        )
        self._attempts[_ENROLLMENT] = replace(attempt, request_id=self._entropy(16).hex())
        return _credentials(enrolled.certificate_chain, attempt.key, enrolled.trust_bundle)

    def _attempt(self, kind: str, occasion: bytes) -> _Attempt:
        known = self._attempts.get(kind)
        if known is not None and known.occasion == occasion:
            return known
        key = self._key_factory(self._key_type)
        csr = build_request(key, SubjectName(), SubjectAlternativeNames())
        attempt = _Attempt(occasion=occasion, key=key, csr=csr, request_id=self._entropy(16).hex())
        self._attempts[kind] = attempt
        return attempt

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


def _credentials(chain: bytes, key: PrivateKey, trust_bundle: bytes) -> Credentials:
    try:
        return Credentials.from_pem(
            certificate_chain=chain, private_key=encode_private_key(key), trust_bundle=trust_bundle
        )
    except CredentialsInvalid as err:
        raise AuthorityUnreachable(f"the authority answers with a certificate that cannot be used: {err}") from err
