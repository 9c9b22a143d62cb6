"""The authority, as signers need it: sign this, and what are the roots.

- An answer is looked at before it is used: our key, our names, no CA.
- A refusal that will stay one is told apart from an authority that cannot be reached, or that does not take us for a registrar.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca.client.errors import CallDenied, CallFailed, CallInvalid, CallOutOfTurn
from ca.client.followed import FollowedConnection
from ca.client.registrar import RegistrarClient
from ca.client.trust import TrustClient
from ca.client.values import IssuedCertificate
from certs.errors import CertsError
from certs.extensions import extension_value
from certs.names import SubjectAlternativeNames
from certs.pem import load_certificate, split_certificates
from certs.profiles import BACKDATE
from kube.signers.decisions import Sign
from kube.signers.errors import AnswerUnfit, OrderRefused

_OUTLIVES = "LIFETIME_OUT_OF_RANGE"
_SLACK = timedelta(seconds=5)


class Authority(Protocol):
    """Raises ClientError where it cannot be reached."""

    def sign(self, order: Sign) -> IssuedCertificate:
        """The same order under the same `request_id` gets the same certificate. Raises OrderRefused, AnswerUnfit."""

    def roots(self) -> Sequence[x509.Certificate]:
        """All that are to be trusted now. Raises AnswerUnfit."""


class RegistrarAuthority:
    """Over gRPC, as a registrar."""

    def __init__(self, connection: FollowedConnection) -> None:
        self._connection = connection

    def sign(self, order: Sign) -> IssuedCertificate:
        try:
            certificate = self._sign(order, order.lifetime)
        except (CallInvalid, CallDenied, CallOutOfTurn) as err:
            raise OrderRefused(str(err), condition_reason=_camel_case(err.reason)) from err
        verify_answer(order, certificate)
        return certificate

    def roots(self) -> Sequence[x509.Certificate]:
        with self._connection.use() as connection:
            bundle = TrustClient(connection).get_trust_bundle()
        try:
            return split_certificates(bundle.roots_pem)
        except CertsError as err:
            raise AnswerUnfit(f"the authority's trust bundle cannot be read: {err}") from err

    def _sign(self, order: Sign, lifetime: timedelta | None) -> IssuedCertificate:
        try:
            with self._connection.use() as connection:
                return RegistrarClient(connection).sign_request(
                    order.csr,
                    subject=order.subject,
                    names=order.names,
                    profile=order.profile,
                    lifetime=lifetime,
                    request_id=order.request_id,
                    pod=order.pod,
                )
        except CallFailed as err:
            if lifetime is not None and err.reason == _OUTLIVES:
                return self._sign(order, None)  # the issuer ends sooner: without a lifetime it is cut to that
            raise


def verify_answer(order: Sign, certificate: IssuedCertificate) -> None:
    """Raises AnswerUnfit for a certificate that is not what was ordered: another key or name, a CA, a longer life."""
    try:
        leaf = load_certificate(certificate.certificate_pem)
        names = extension_value(leaf, x509.SubjectAlternativeName)
        held = SubjectAlternativeNames() if names is None else SubjectAlternativeNames.from_x509(names)
    except CertsError as err:
        raise AnswerUnfit(f"the authority's answer cannot be read: {err}") from err
    constraints = extension_value(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise AnswerUnfit("the authority answered with a CA certificate")
    if leaf.public_key() != order.request.public_key:
        raise AnswerUnfit("the authority certified another key than the request's")
    if _sorted(held) != _sorted(order.names):
        raise AnswerUnfit("the authority certified other names than those that were ordered")
    if leaf.not_valid_after_utc - leaf.not_valid_before_utc > order.lifetime + BACKDATE + _SLACK:
        raise AnswerUnfit("the authority's certificate lives longer than was ordered")


def issuing_root(certificate: IssuedCertificate, roots: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The root above the chain; None where it is not among them."""
    last = split_certificates(certificate.full_chain_pem)[-1]
    for root in roots:
        try:
            last.verify_directly_issued_by(root)
        except (ValueError, TypeError, x509.UnsupportedGeneralNameType, InvalidSignature):
            continue
        return root
    return None


def _sorted(names: SubjectAlternativeNames) -> SubjectAlternativeNames:
    return replace(names, dns=tuple(sorted(names.dns)), uris=tuple(sorted(names.uris)))


def _camel_case(reason: str) -> str:
    """``POD_RELEASED`` as a condition's reason: ``PodReleased``."""
    words = "".join(word.capitalize() for word in reason.split("_") if word.isascii() and word.isalnum())
    return words if words[:1].isalpha() else "Refused"
