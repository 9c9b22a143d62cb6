"""What has been revoked, in memory: asked on every call, so never the database's turn.

- A revocation counts here from the moment its own transaction is durable; those of other replicas arrive with `refresh`.
- Revoked keys stay refused for new certificates (RFC 5280 section 5.3.1 says why keys are revoked; a new name does not heal one).
"""

import threading

from store.inventory import Inventory
from store.records import Revocation


class Revocations:
    """Serials and keys that are no longer good."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._lock = threading.Lock()
        self._cursor = 0
        self._serials: set[bytes] = set()
        self._keys: set[bytes] = set()
        self.refresh()

    def refresh(self) -> int:
        """Reads what was revoked since the last look; returns how many there were."""
        with self._lock:
            found = 0
            while changes := self._inventory.revocations_after(self._cursor, limit=1000):
                found += len(changes)
                for change in changes:
                    self._admit(change)
            return found

    @property
    def count(self) -> int:
        """How many revocations have been seen; it changes with each."""
        return self._cursor

    def has_serial(self, serial: bytes) -> bool:
        return serial in self._serials

    def has_key(self, key_fingerprint: bytes) -> bool:
        return key_fingerprint in self._keys

    def _admit(self, change: Revocation) -> None:
        self._serials.add(change.serial)
        self._keys.add(change.key_fingerprint)
        self._cursor = change.sequence
