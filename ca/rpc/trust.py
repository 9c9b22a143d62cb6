"""chancery.ca.v1.TrustService."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ca.calls import Call
from ca.crls import CrlPublisher
from ca.issuers import Issuers
from ca.rpc import conversion
from protos.chancery.ca.v1 import trust_service_pb2 as service


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustHandlers:
    """What relying parties need; open to everybody."""

    issuers: Issuers
    crls: CrlPublisher
    trust_domain: str
    stopping: asyncio.Event

    async def get_trust_bundle(
        self, _request: service.GetTrustBundleRequest, _call: Call
    ) -> service.GetTrustBundleResponse:
        return service.GetTrustBundleResponse(bundle=self._bundle())

    async def watch_trust_bundle(
        self, request: service.WatchTrustBundleRequest, _call: Call
    ) -> AsyncIterator[service.WatchTrustBundleResponse]:
        """The roots of a running process do not change, so nothing follows the first answer until it stops."""
        bundle = self._bundle()
        if bundle.generation != request.held_generation:
            yield service.WatchTrustBundleResponse(bundle=bundle)
        await self.stopping.wait()

    async def get_crl(self, request: service.GetCrlRequest, _call: Call) -> service.GetCrlResponse:
        crl = await asyncio.to_thread(self.crls.current, request.issuer_id, request.shard)
        return service.GetCrlResponse(
            crl=crl.der, number=crl.number, next_update_time=conversion.timestamp(crl.next_update)
        )

    def _bundle(self) -> service.TrustBundle:
        bundle = self.issuers.bundle
        return service.TrustBundle(
            generation=bundle.generation,
            roots_pem=bundle.pem.decode(),
            sha256_fingerprints=bundle.fingerprints,
            trust_domain=self.trust_domain,
        )
