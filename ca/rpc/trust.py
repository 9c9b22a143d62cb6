"""chancery.ca.v1.TrustService."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ca.callers import CallerKind
from ca.calls import Call
from ca.crls import CrlPublisher
from ca.errors import RequestInvalid, ShuttingDown
from ca.issuers import Issuers
from ca.rotation.keeper import RotationKeeper
from ca.rpc import conversion
from protos.chancery.ca.v1 import trust_service_pb2 as service

_MOST_CHARACTERS = 64
_MOST_CONSUMERS = 1024
_MOST_CALLERS = 100_000
_REPORT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustHandlers:
    """What relying parties need; open to everybody."""

    issuers: Issuers
    rotations: RotationKeeper
    crls: CrlPublisher
    trust_domain: str
    stopping: asyncio.Event
    _watchers: set[asyncio.Event] = field(default_factory=set)
    _consumers: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake)

        self.issuers.subscribe(wake)

    async def get_trust_bundle(
        self, request: service.GetTrustBundleRequest, call: Call
    ) -> service.GetTrustBundleResponse:
        await self._note(request, call, waited_for=request.waited_for)
        return service.GetTrustBundleResponse(bundle=self._bundle())

    async def watch_trust_bundle(
        self, request: service.WatchTrustBundleRequest, call: Call
    ) -> AsyncIterator[service.WatchTrustBundleResponse]:
        """Never ends by itself. Raises ShuttingDown once the process is told to stop."""
        sent, news = service.TrustBundle(), asyncio.Event()
        self._watchers.add(news)
        stopping = asyncio.create_task(self.stopping.wait())
        stopping.add_done_callback(lambda _task: news.set())
        try:
            while not stopping.done():
                await self._note(request, call)
                bundle = self._bundle()
                is_held = not sent.generation and bundle.generation == request.held_generation
                if bundle != sent and not (is_held and not bundle.retiring_key_ids):
                    yield service.WatchTrustBundleResponse(bundle=bundle)
                sent = bundle
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), _REPORT_SECONDS)
                news.clear()
        finally:
            stopping.cancel()
            self._watchers.discard(news)
        raise ShuttingDown("the server is stopping; go on at another one, or in a moment")

    async def get_crl(self, request: service.GetCrlRequest, _call: Call) -> service.GetCrlResponse:
        crl = await asyncio.to_thread(self.crls.current, request.issuer_id, request.shard)
        return service.GetCrlResponse(
            crl=crl.der, number=crl.number, next_update_time=conversion.timestamp(crl.next_update)
        )

    async def _note(
        self,
        request: service.GetTrustBundleRequest | service.WatchTrustBundleRequest,
        call: Call,
        *,
        waited_for: bool = False,
    ) -> None:
        """Remembers what a consumer holds, where it shows who it is: what anybody can claim would hold rotations up."""
        if call.caller.kind is CallerKind.CERTIFICATE and (request.held_generation > 0 or waited_for):
            name, shown = self._name(call.caller.name, request.consumer), call.caller.serial_number
            serial = None if shown is None else bytes.fromhex(shown)
            await asyncio.to_thread(self.rotations.report, name, request.held_generation, serial)

    def _name(self, caller: str, consumer: str) -> str:
        """Raises RequestInvalid: one identity cannot be a crowd that holds rotations up, nor fill the store."""
        if len(consumer) > _MOST_CHARACTERS or not consumer.isprintable():
            raise RequestInvalid(f"consumer must be at most {_MOST_CHARACTERS} printable characters", field="consumer")
        if len(self._consumers) >= _MOST_CALLERS:
            self._consumers.clear()
        names = self._consumers.setdefault(caller, set())
        names.add(consumer)
        if len(names) > _MOST_CONSUMERS:
            names.discard(consumer)
            raise RequestInvalid(
                f"one identity may speak for {_MOST_CONSUMERS} consumers; issue others", field="consumer"
            )
        return f"{caller} {consumer}".strip()

    def _wake(self) -> None:
        for news in self._watchers:
            news.set()

    def _bundle(self) -> service.TrustBundle:
        bundle = self.issuers.bundle
        return service.TrustBundle(
            generation=bundle.generation,
            roots_pem=bundle.pem.decode(),
            sha256_fingerprints=bundle.fingerprints,
            trust_domain=self.trust_domain,
            retiring_key_ids=bundle.retiring_key_ids,
        )
