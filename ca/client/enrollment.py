"""Calls of `EnrollmentService` and `TrustService`: the way in without a certificate, and what relying parties need.

- They go to the enrollment port, over TLS whose roots are known already: from a file, or by `ca.client.pinning`.
"""

from collections.abc import Iterator
from datetime import timedelta

from ca.client import conversion
from ca.client.connection import Connection
from ca.client.values import Enrollment, RevocationList, TrustBundle
from protos.chancery.ca.v1 import enrollment_service_pb2, trust_service_pb2
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub


class EnrollmentClient:
    """Both services over a connection that the caller opened and closes. Every method raises ClientError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._enrollment = EnrollmentServiceStub(connection.channel)
        self._trust = TrustServiceStub(connection.channel)

    def enroll(self, token: str, csr: bytes, *, lifetime: timedelta | None = None, request_id: str = "") -> Enrollment:
        """Spends a one-time token on a certificate for the request's key."""
        request = enrollment_service_pb2.EnrollRequest(
            token=token, csr=csr, lifetime=conversion.duration(lifetime), request_id=request_id
        )
        answer = self._connection.call(self._enrollment.Enroll, request)
        return Enrollment(
            certificate=conversion.issued_certificate(answer.certificate),
            trust_bundle_pem=answer.trust_bundle_pem.encode(),
        )

    def get_trust_bundle(self) -> TrustBundle:
        answer = self._connection.call(self._trust.GetTrustBundle, trust_service_pb2.GetTrustBundleRequest())
        return conversion.trust_bundle(answer.bundle)

    def watch_trust_bundle(self, *, held_generation: int = 0) -> Iterator[TrustBundle]:
        """The present bundle at once, and every later generation; tells the authority which one is held."""
        request = trust_service_pb2.WatchTrustBundleRequest(held_generation=held_generation)
        for answer in self._connection.stream(self._trust.WatchTrustBundle(request)):
            yield conversion.trust_bundle(answer.bundle)

    def get_crl(self, issuer_id: str, *, shard: int) -> RevocationList:
        answer = self._connection.call(
            self._trust.GetCrl, trust_service_pb2.GetCrlRequest(issuer_id=issuer_id, shard=shard)
        )
        return RevocationList(
            der=answer.crl, number=answer.number, next_update=conversion.instant(answer.next_update_time)
        )
