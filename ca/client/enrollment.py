"""The way in without a certificate: calls of `EnrollmentService`, and of `TrustService` on the same port.

- Goes to the enrollment port, over TLS whose roots are known already: from a file, or by `ca.client.pinning`.
"""

from datetime import timedelta
from types import TracebackType
from typing import Self

from ca.client import conversion
from ca.client.connection import Connection
from ca.client.trust import TrustClient
from ca.client.values import Enrollment
from protos.chancery.ca.v1 import enrollment_service_pb2 as messages
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub


class EnrollmentClient:
    """Both services over one connection; closes it at the end of a `with` block. Every method raises ClientError."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.trust = TrustClient(connection)
        self._stub = EnrollmentServiceStub(connection.channel)

    def enroll(self, token: str, csr: bytes, *, lifetime: timedelta | None = None, request_id: str = "") -> Enrollment:
        """Spends a one-time token on a certificate for the request's key."""
        request = messages.EnrollRequest(
            token=token, csr=csr, lifetime=conversion.duration(lifetime), request_id=request_id
        )
        answer = self.connection.call(self._stub.Enroll, request)
        return Enrollment(
            certificate=conversion.issued_certificate(answer.certificate),
            trust_bundle_pem=answer.trust_bundle_pem.encode(),
        )

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
