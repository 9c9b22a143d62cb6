"""Calls of `RegistrarService`: requests to be signed, and what pods there are. Every method raises ClientError.

- `CallOutOfTurn` with the reason POD_RELEASED: the pod was released, and nothing will be signed for it any more.
"""

from collections.abc import Iterator
from datetime import timedelta

from ca.client import conversion
from ca.client.connection import Connection
from ca.client.values import IssuedCertificate, Pod, RevocationReason
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import registrar_service_pb2 as messages
from protos.chancery.ca.v1.registrar_service_pb2_grpc import RegistrarServiceStub

_PAGE_SIZE = 1000


class RegistrarClient:
    """`RegistrarService` over a connection that the caller opened and closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = RegistrarServiceStub(connection.channel)

    def sign_request(
        self,
        csr: bytes,
        *,
        subject: SubjectName,
        names: SubjectAlternativeNames,
        profile: str,
        lifetime: timedelta | None = None,
        request_id: str = "",
        pod: Pod | None = None,
    ) -> IssuedCertificate:
        """A certificate of these names for the key of `csr`, PKCS#10, PEM or DER; with `pod`, one that ends with it."""
        request = messages.SignRequestRequest(
            csr=csr,
            subject=conversion.subject_message(subject),
            names=conversion.names_message(names),
            profile=profile,
            lifetime=conversion.duration(lifetime),
            request_id=request_id,
            pod=None if pod is None else _message(pod),
        )
        return conversion.issued_certificate(self._connection.call(self._stub.SignRequest, request).certificate)

    def register_pod(self, pod: Pod, dns_names: tuple[str, ...]) -> None:
        """These DNS names, and no others from now on, may stand in the pod's certificates; safe to repeat."""
        request = messages.RegisterPodRequest(pod=_message(pod), dns_names=dns_names)
        self._connection.call(self._stub.RegisterPod, request)

    def release_pod(self, pod_uid: str, reason: RevocationReason = RevocationReason.CESSATION_OF_OPERATION) -> int:
        """Revokes all that the pod holds, for good, and returns how many certificates that were; safe to repeat."""
        request = messages.ReleasePodRequest(pod_uid=pod_uid, reason=conversion.reason_number(reason))
        return self._connection.call(self._stub.ReleasePod, request).revoked_count

    def list_pods(self) -> Iterator[Pod]:
        """Pods with living certificates or registered names, page by page as the iteration goes on; newest first."""
        page_token = ""
        while True:
            request = messages.ListPodsRequest(page_size=_PAGE_SIZE, page_token=page_token)
            answer = self._connection.call(self._stub.ListPods, request)
            yield from map(_pod, answer.pods)
            page_token = answer.next_page_token
            if not page_token:
                return


def _message(pod: Pod) -> messages.Pod:
    return messages.Pod(
        namespace=pod.namespace, name=pod.name, uid=pod.uid, service_account=pod.service_account, node=pod.node
    )


def _pod(message: messages.Pod) -> Pod:
    return Pod(
        namespace=message.namespace,
        name=message.name,
        uid=message.uid,
        service_account=message.service_account,
        node=message.node,
    )
