"""Certificate revocation lists, sharded: made when asked for, kept until half of their lifetime or the next revocation.

- A certificate's shard is fixed when it is issued; a shard's list holds what was revoked and has not long expired. Shards that new
  certificates no longer go to are served all the same.
- Without a base URL no list can say which shard it covers (RFC 5280 section 5.2.5), so one complete list answers for all.
- CRL numbers come from the store, with what is listed: they grow across restarts and replicas, and a list with a larger number
  never lacks what one with a smaller number has (RFC 5280 section 5.2.3).
- A revoked certificate stays listed for one list past its expiry (RFC 5280 section 3.3).
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from ca.ambient import Clock, epoch_seconds
from ca.errors import CrlNotFound, IssuerNotFound
from ca.hierarchy import IssuingAuthority
from ca.issuers import Issuers
from ca.revocations import Revocations
from ca.settings import MAXIMUM_CRL_SHARDS, Issuance
from certs.crl import RevocationReason, RevokedCertificate, sign_crl
from certs.serials import Serial
from store.authorities import Authorities
from store.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCrl:
    """One list as it is handed out: DER of a CertificateList."""

    der: bytes
    number: int
    this_update: datetime
    next_update: datetime
    revocations_seen: int

    @property
    def refresh_at(self) -> datetime:
        return self.this_update + (self.next_update - self.this_update) / 2


class CrlPublisher:
    """Makes lists. Synchronous and thread-safe: edges call it in worker threads."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        authorities: Authorities,
        issuers: Issuers,
        revocations: Revocations,
        settings: Issuance,
        clock: Clock,
    ) -> None:
        self._inventory = inventory
        self._authorities = authorities
        self._issuers = issuers
        self._revocations = revocations
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._published: dict[tuple[str, int], PublishedCrl] = {}

    def current(self, issuer_id: str, shard: int) -> PublishedCrl:
        """Raises CrlNotFound for an issuer or shard that there is not."""
        try:
            active = self._issuers.get(issuer_id)
        except IssuerNotFound as err:
            raise CrlNotFound(str(err)) from err
        if not 0 <= shard < MAXIMUM_CRL_SHARDS:
            raise CrlNotFound(f"there are shards 0 to {MAXIMUM_CRL_SHARDS - 1}, no shard {shard}")
        if not self._settings.crl_base_url:
            shard = 0
        with self._lock:
            crl = self._published.get((issuer_id, shard))
            if crl is None or self._is_stale(crl):
                crl = self._published[issuer_id, shard] = self._make(active, shard)
            return crl

    def _is_stale(self, crl: PublishedCrl) -> bool:
        return self._clock() >= crl.refresh_at or crl.revocations_seen != self._revocations.count

    def _make(self, active: IssuingAuthority, shard: int) -> PublishedCrl:
        now = self._clock().replace(microsecond=0)
        next_update = now + self._settings.crl_lifetime
        seen = self._revocations.count
        base = self._settings.crl_base_url.rstrip("/")
        listing = self._inventory.listing(
            active.id, shard if base else None, not_after_from=epoch_seconds(now - self._settings.crl_lifetime)
        )
        number, revocations = self._authorities.next_crl(active.id, shard, listing)
        entries = [
            RevokedCertificate(
                serial=Serial(octets=one.serial),
                revoked_at=datetime.fromtimestamp(one.revoked_at, UTC),
                reason=RevocationReason(one.reason),
            )
            for one in revocations
        ]
        der = sign_crl(
            active.issuer,
            entries,
            number=number,
            this_update=now,
            next_update=next_update,
            distribution_point=f"{base}/crl/{active.id}/{shard}.crl" if base else None,
        )
        return PublishedCrl(der=der, number=number, this_update=now, next_update=next_update, revocations_seen=seen)
