"""Step 1: who is calling. TLS has verified the chain; what TLS cannot know is asked here.

- A client certificate counts only if this authority recorded it: a root brought by the user may have signed others.
- Expiry is judged at each call, not only when the connection was made, and at each message of a stream; so is revocation.
"""

import hashlib
from collections import OrderedDict

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


class Authenticator:
    """Turns a verified client certificate into a Caller."""

    def __init__(self, inventory: Inventory, revocations: Revocations, clock: Clock) -> None:
        self._inventory = inventory
        self._revocations = revocations
        self._clock = clock
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    def recall(self, encoded: bytes) -> Caller | None:
        """The caller of a certificate seen before, without touching the store; None for a new face.

        Raises as `authenticate`.
        """
        caller = self._known.get(hashlib.sha256(encoded).digest())
        if caller is not None:
            self.verify(caller)
        return caller

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
        caller = Caller.from_certificate(certificate)
        self._known[hashlib.sha256(encoded).digest()] = caller
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self.verify(caller)
        return caller

    def verify(self, caller: Caller) -> None:
        """Whether the certificate of a caller that was authenticated still counts. Raises CallerExpired, CallerRevoked."""
        if caller.serial_number is not None and self._revocations.has_serial(bytes.fromhex(caller.serial_number)):
            raise CallerRevoked("this client certificate was revoked; ask for a new one")
        if caller.not_after is not None and self._clock() > caller.not_after:
            raise CallerExpired(
                f"this client certificate expired at {caller.not_after:%Y-%m-%dT%H:%M:%SZ}; get a new one"
            )
