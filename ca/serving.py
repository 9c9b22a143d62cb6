"""The server's own certificate: made at the start, kept in memory only, renewed at two thirds of its life.

- Its key never touches a disk; every start makes a new one. Each certificate is recorded as any other.
- It names what its issuing CA may name: of names that are not permitted there it goes without.
- Renewal is judged on the wall clock every few seconds: after a suspend, or where another issuing CA signs, it happens at once.
- New connections get the new certificate; open ones keep theirs and are not dropped.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from ca.ambient import Clock
from ca.authority import Authority
from ca.errors import NoActiveIssuer
from ca.issuers import Issuers
from ca.metrics import Metrics
from certs.keys import KeyFactory, KeyType, encode_private_key
from certs.name_constraints import permitted_names, verify_permitted
from certs.names import SubjectAlternativeNames, SubjectName

_CHECK_SECONDS = 2.0
_COMMON_NAME = "chancery-ca"
_PROFILE = "server"
_KEY_TYPE = KeyType.EC_P256  # every client can verify it, and the standard library's TLS is slow with others

_log = structlog.get_logger("chancery.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPair:
    """What a listener presents: PKCS#8 PEM, and the chain as PEM, leaf first, without the root."""

    private_key: bytes
    chain: bytes
    certificate_id: str
    issuer_id: str
    not_before: datetime
    not_after: datetime

    @property
    def renew_at(self) -> datetime:
        return self.not_before + (self.not_after - self.not_before) * 2 / 3


class ServingCertificate:
    """Holds the current pair; listeners ask for it with each new connection, or subscribe."""

    def __init__(
        self,
        *,
        authority: Authority,
        issuers: Issuers,
        names: SubjectAlternativeNames,
        key_factory: KeyFactory,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._authority = authority
        self._issuers = issuers
        self._names = names
        self._key_factory = key_factory
        self._clock = clock
        self._metrics = metrics
        self._subscribers: list[Callable[[ServingPair], None]] = []
        self._pair: ServingPair | None = None
        self._shown: ServingPair | None = None

    @property
    def pair(self) -> ServingPair:
        """Raises RuntimeError before the first `renew`."""
        if self._pair is None:
            raise RuntimeError("the serving certificate has not been made yet")
        return self._pair

    @property
    def not_after(self) -> datetime | None:
        return None if self._pair is None else self._pair.not_after

    def subscribe(self, subscriber: Callable[[ServingPair], None]) -> None:
        """Calls `subscriber` with each later pair, in the thread that renewed."""
        self._subscribers.append(subscriber)

    def renew(self) -> ServingPair:
        """Makes a key and a certificate. Blocks. Raises what `Authority.issue` raises."""
        key = self._key_factory(_KEY_TYPE)
        subject = SubjectName(common_name=_COMMON_NAME)
        record = self._authority.issue_own(
            key.public_key(),
            purpose="serving",
            profile=_PROFILE,
            subject=subject,
            names=self._permitted_names(),
            renewed_from=None if self._pair is None else self._pair.certificate_id,
        )
        leaf = ssl.DER_cert_to_PEM_cert(record.der).encode()
        self._pair = ServingPair(
            private_key=encode_private_key(key),
            chain=leaf + self._issuers.chain_pem(record.issuer_id),
            certificate_id=record.id,
            issuer_id=record.issuer_id,
            not_before=datetime.fromtimestamp(record.not_before, tz=self._clock().tzinfo),
            not_after=datetime.fromtimestamp(record.not_after, tz=self._clock().tzinfo),
        )
        self._metrics.expiry.labels(kind="serving", id="").set(record.not_after)
        for subscriber in self._subscribers:
            subscriber(self._pair)
        self._shown = self._pair
        return self._pair

    def is_present(self) -> bool:
        """Whether every new connection gets a certificate of the issuing CA that signs now; also where none was made yet."""
        return self._pair is None or (self._shown is self._pair and not self._is_of_yesterday())

    def _permitted_names(self) -> SubjectAlternativeNames:
        """Raises NameNotPermitted where nothing is left, NoActiveIssuer."""
        chain = self._issuers.active(_PROFILE).issuer.full_chain
        permitted = permitted_names(self._names, chain)
        if permitted.is_empty:
            verify_permitted(self._names, SubjectName(), chain)
        if permitted != self._names and (self._pair is None or self._is_of_yesterday()):
            missing = set(self._names.all_names()) - set(permitted.all_names())
            _log.warning(
                "the issuing CA may not name all of the server's names; clients must use another",
                left_out=sorted(value for _kind, value in missing),
            )
        return permitted

    async def keep_fresh(self, check_every: float = _CHECK_SECONDS) -> None:
        """Renews when it is time, for as long as the process runs. A failure is logged, counted and tried again."""
        while True:
            if self._clock() >= self.pair.renew_at or self._is_of_yesterday():
                await self._try_to_renew()
            await asyncio.sleep(check_every)

    def _is_of_yesterday(self) -> bool:
        """Whether another issuing CA signs by now, or its chain is another one."""
        try:
            active = self._issuers.active(_PROFILE)
        except NoActiveIssuer:
            return False
        return active.id != self.pair.issuer_id or not self.pair.chain.endswith(self._issuers.chain_pem(active.id))

    async def _try_to_renew(self) -> None:
        try:
            pair = await asyncio.to_thread(self.renew)
        except Exception:  # noqa: BLE001 - whatever it is, the next try may succeed, and the old certificate still serves
            self._metrics.renewal_failures.inc()
            _log.exception("serving certificate not renewed", not_after=self.pair.not_after.isoformat())
        else:
            _log.info("serving certificate renewed", not_after=pair.not_after.isoformat())


def serving_names(advertised: Sequence[str], host_name: str) -> SubjectAlternativeNames:
    """localhost, loopback, the host's own name, and what the operator says. Raises MalformedName."""
    own = ("localhost", host_name.lower()) if host_name else ("localhost",)
    return SubjectAlternativeNames.of_hosts((*own, "127.0.0.1", "::1", *advertised))
