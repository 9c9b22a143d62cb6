"""Calls of `CertificateService`: sign, fetch, renew, revoke, list, watch.

- Every method raises ClientError and nothing else for what goes wrong between here and the authority.
- A `request_id` makes a retry safe: the same caller and id get the same certificate.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from ca.client import conversion
from ca.client.connection import Connection
from ca.client.errors import CallFailed
from ca.client.statuses import status_error
from ca.client.values import (
    CertificateEvent,
    CertificateFilter,
    CertificatePage,
    CsrTemplate,
    IssuedCertificate,
    RevocationReason,
    SigningRequest,
)
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import certificate_service_pb2 as messages
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub

_EVERYTHING = CertificateFilter()


class CertificateClient:
    """`CertificateService` over a connection that the caller opened and closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = CertificateServiceStub(connection.channel)

    def get_csr_template(self) -> CsrTemplate:
        """What a request of this caller may look like."""
        answer = self._connection.call(self._stub.GetCsrTemplate, messages.GetCsrTemplateRequest())
        return CsrTemplate(
            subject=conversion.subject_attributes(answer.subject),
            names=conversion.names(answer.names),
            profiles=tuple(answer.profiles),
            key_types=tuple(answer.key_types),
            trust_domain=answer.trust_domain,
        )

    def sign_csr(
        self,
        csr: bytes,
        *,
        profile: str = "",
        lifetime: timedelta | None = None,
        request_id: str = "",
        replaces: str = "",
    ) -> IssuedCertificate:
        """Has one PKCS#10 request, PEM or DER, signed; what is not given is the server's to choose. `replaces` is the id or
        serial number of a certificate that this caller asked for, and that is used no more."""
        request = messages.SignCsrRequest(
            csr=csr, profile=profile, lifetime=conversion.duration(lifetime), request_id=request_id, replaces=replaces
        )
        return conversion.issued_certificate(self._connection.call(self._stub.SignCsr, request).certificate)

    def sign_csrs(self, requests: Iterable[SigningRequest]) -> Iterator[tuple[str, IssuedCertificate | CallFailed]]:
        """Has many requests signed over one stream; yields each request's id and outcome, in the order of the answers.

        `requests` is read as the stream has room, from another thread. A refused request is an outcome; an exception
        means that the stream is over, and that requests without an outcome are to be sent again under the same ids.
        """
        outgoing = (
            messages.SignCsrsRequest(
                request=messages.SignCsrRequest(
                    csr=request.csr,
                    profile=request.profile,
                    lifetime=conversion.duration(request.lifetime),
                    request_id=request.request_id,
                )
            )
            for request in requests
        )
        for answer in self._connection.stream(self._stub.SignCsrs(outgoing)):
            failed = answer.WhichOneof("result") == "error"
            yield (
                answer.request_id,
                status_error(answer.error) if failed else conversion.issued_certificate(answer.certificate),
            )

    def issue_certificate(
        self,
        *,
        subject: SubjectName,
        names: SubjectAlternativeNames,
        profile: str = "",
        key_type: str = "",
        lifetime: timedelta | None = None,
        request_id: str = "",
    ) -> IssuedCertificate:
        """Has the authority make the key too; `get_private_key` reads it, once."""
        request = messages.IssueCertificateRequest(
            subject=conversion.subject_message(subject),
            names=conversion.names_message(names),
            profile=profile,
            key_type=key_type,
            lifetime=conversion.duration(lifetime),
            request_id=request_id,
        )
        return conversion.issued_certificate(self._connection.call(self._stub.IssueCertificate, request).certificate)

    def get_certificate(self, certificate_id: str) -> IssuedCertificate:
        """By id or serial number."""
        request = messages.GetCertificateRequest(id=certificate_id)
        return conversion.issued_certificate(self._connection.call(self._stub.GetCertificate, request).certificate)

    def get_private_key(self, certificate_id: str) -> bytes:
        """The key that the authority made: unencrypted PKCS#8, PEM. It can be had once."""
        request = messages.GetPrivateKeyRequest(certificate_id=certificate_id)
        return self._connection.call(self._stub.GetPrivateKey, request).private_key_pem.encode()

    def renew_certificate(
        self, csr: bytes = b"", *, lifetime: timedelta | None = None, request_id: str = ""
    ) -> IssuedCertificate:
        """Renews the certificate that this connection presents; with a request, for the request's key."""
        request = messages.RenewCertificateRequest(
            csr=csr, lifetime=conversion.duration(lifetime), request_id=request_id
        )
        return conversion.issued_certificate(self._connection.call(self._stub.RenewCertificate, request).certificate)

    def revoke_certificate(
        self, certificate_id: str, reason: RevocationReason = RevocationReason.UNSPECIFIED
    ) -> IssuedCertificate:
        """By id or serial number; for good."""
        request = messages.RevokeCertificateRequest(id=certificate_id, reason=conversion.reason_number(reason))
        return conversion.issued_certificate(self._connection.call(self._stub.RevokeCertificate, request).certificate)

    def list_certificates(
        self,
        conditions: CertificateFilter = _EVERYTHING,
        *,
        page_size: int = 0,
        page_token: str = "",
        include_pem: bool = False,
    ) -> CertificatePage:
        """One page, newest first; at most 1,000 certificates, 100 where `page_size` is 0."""
        request = messages.ListCertificatesRequest(
            page_size=page_size,
            page_token=page_token,
            filter=conversion.filter_message(conditions),
            include_pem=include_pem,
        )
        answer = self._connection.call(self._stub.ListCertificates, request)
        return CertificatePage(
            certificates=tuple(map(conversion.issued_certificate, answer.certificates)),
            next_page_token=answer.next_page_token,
        )

    def watch_certificates(
        self, conditions: CertificateFilter = _EVERYTHING, *, resume_cursor: str = ""
    ) -> Iterator[CertificateEvent]:
        """Certificates as they are recorded: after the cursor, from the beginning with `0`, from now on without one."""
        request = messages.WatchCertificatesRequest(
            resume_cursor=resume_cursor, filter=conversion.filter_message(conditions)
        )
        for answer in self._connection.stream(self._stub.WatchCertificates(request)):
            yield CertificateEvent(certificate=conversion.issued_certificate(answer.certificate), cursor=answer.cursor)
