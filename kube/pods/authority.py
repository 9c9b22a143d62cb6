"""The authority as the watch of pods speaks to it, over a connection that follows the registrar's identity."""

from collections.abc import Sequence
from typing import Protocol

from ca.client.followed import FollowedConnection
from ca.client.registrar import RegistrarClient
from ca.client.values import Pod, RevocationReason


class PodAuthority(Protocol):
    """Safe from any thread; every call is durable when it returns and safe to repeat. All raise ClientError."""

    def register_pod(self, pod: Pod, dns_names: tuple[str, ...]) -> None:
        """In the place of the names before. Raises CallOutOfTurn, POD_RELEASED."""

    def release_pod(self, pod_uid: str, reason: RevocationReason) -> int:
        """How many certificates were revoked."""

    def list_pods(self) -> Sequence[Pod]:
        """All with living certificates or registered names, or none and an error."""


class FollowedPodAuthority:
    def __init__(self, connection: FollowedConnection) -> None:
        self._connection = connection

    def register_pod(self, pod: Pod, dns_names: tuple[str, ...]) -> None:
        with self._connection.use() as connection:
            RegistrarClient(connection).register_pod(pod, dns_names)

    def release_pod(self, pod_uid: str, reason: RevocationReason) -> int:
        with self._connection.use() as connection:
            return RegistrarClient(connection).release_pod(pod_uid, reason)

    def list_pods(self) -> Sequence[Pod]:
        with self._connection.use() as connection:
            return tuple(RegistrarClient(connection).list_pods())
