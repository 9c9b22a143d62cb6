"""Calls of `TrustService`: what relying parties need. Every method raises ClientError."""

from collections.abc import Iterator

from ca.client import conversion
from ca.client.connection import Connection
from ca.client.values import RevocationList, TrustBundle
from protos.chancery.ca.v1 import trust_service_pb2 as messages
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub


class TrustClient:
    """`TrustService` over a connection that the caller opened and closes; either gRPC port offers it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = TrustServiceStub(connection.channel)

    def get_trust_bundle(
        self, *, held_generation: int = 0, consumer: str = "", waited_for: bool = False
    ) -> TrustBundle:
        """Tells the authority, over a connection that shows an identity, which generation is held; `consumer` tells apart who
        shares the identity. With `waited_for`, rotations wait for who holds none yet, or none any more."""
        request = messages.GetTrustBundleRequest(
            held_generation=held_generation, consumer=consumer, waited_for=waited_for
        )
        answer = self._connection.call(self._stub.GetTrustBundle, request)
        return conversion.trust_bundle(answer.bundle)

    def watch_trust_bundle(self, *, held_generation: int = 0, consumer: str = "") -> Iterator[TrustBundle]:
        """The present bundle unless it is the one held, and every later one; tells the authority which one is held."""
        request = messages.WatchTrustBundleRequest(held_generation=held_generation, consumer=consumer)
        for answer in self._connection.stream(self._stub.WatchTrustBundle(request)):
            yield conversion.trust_bundle(answer.bundle)

    def get_crl(self, issuer_id: str, *, shard: int) -> RevocationList:
        request = messages.GetCrlRequest(issuer_id=issuer_id, shard=shard)
        answer = self._connection.call(self._stub.GetCrl, request)
        return RevocationList(
            der=answer.crl, number=answer.number, next_update=conversion.instant(answer.next_update_time)
        )
