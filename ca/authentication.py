"""Step 1: who is calling. TLS has verified the chain; what TLS cannot know is asked here.

- A client certificate counts only if this authority recorded it: a root brought by the user may have signed others.
- Expiry is judged at each call, not only when the connection was made; so is revocation.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from ca.ambient import Clock
from ca.callers import Caller
from ca.errors import CallerExpired, CallerRevoked, CallerUnknown
from ca.revocations import Revocations
from certs.errors import MalformedSerial
from certs.fingerprints import certificate_fingerprint
from certs.pem import load_certificate
from certs.serials import Serial
from store.errors import NotFound
from store.inventory import Inventory

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    caller: Caller
    serial: bytes
    not_after: datetime


class Authenticator:
    """Turns a verified client certificate into a Caller."""

    def __init__(self, inventory: Inventory, revocations: Revocations, clock: Clock) -> None:
        self._inventory = inventory
        self._revocations = revocations
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def recall(self, encoded: bytes) -> Caller | None:
        """The caller of a certificate seen before, without touching the store; None for a new face.

        Raises as `authenticate`.
        """
        known = self._known.get(hashlib.sha256(encoded).digest())
        return None if known is None else self._verify(known)

    def authenticate(self, encoded: bytes) -> Caller:
        """Takes PEM or DER. Blocks on the store. Raises CallerUnknown, CallerExpired, CallerRevoked."""
        certificate = load_certificate(encoded)
        try:
            serial = Serial.from_int(certificate.serial_number)
            record = self._inventory.find(serial.hex)
        except (MalformedSerial, NotFound) as err:
            raise CallerUnknown(
                "this certificate is not from this authority's issuing CA; use one that it issued"
            ) from err
        if record.fingerprint != certificate_fingerprint(certificate):
            raise CallerUnknown("another certificate was recorded under this serial number")
        known = _Known(
            caller=Caller.from_certificate(certificate), serial=serial.octets, not_after=certificate.not_valid_after_utc
        )
        self._known[hashlib.sha256(encoded).digest()] = known
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return self._verify(known)

    def _verify(self, known: _Known) -> Caller:
        if self._revocations.has_serial(known.serial):
            raise CallerRevoked("this client certificate was revoked; ask for a new one")
        if self._clock() > known.not_after:
            raise CallerExpired(
                f"this client certificate expired at {known.not_after:%Y-%m-%dT%H:%M:%SZ}; get a new one"
            )
        return known.caller
