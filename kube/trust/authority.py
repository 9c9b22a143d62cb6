"""The authority, as far as its trust bundle goes."""

from typing import Protocol

from ca.client.followed import FollowedConnection
from ca.client.trust import TrustClient
from ca.client.values import TrustBundle

CONSUMER = "registrar"
"""By this name the authority's rotations wait for the cluster."""


class TrustSource(Protocol):
    def trust_bundle(self, *, held_generation: int) -> TrustBundle:
        """The bundle in force; says which generation the cluster holds, 0 is none yet, or none any more. Raises ClientError."""


class FollowedTrust:
    """Over gRPC, with whatever identity there is at the moment."""

    def __init__(self, connection: FollowedConnection) -> None:
        self._connection = connection

    def trust_bundle(self, *, held_generation: int) -> TrustBundle:
        with self._connection.use() as connection:
            trust = TrustClient(connection)
            return trust.get_trust_bundle(held_generation=held_generation, consumer=CONSUMER, waited_for=True)
