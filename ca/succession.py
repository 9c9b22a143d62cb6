"""Which certificate another one takes the place of, by word of who holds both.

- Only who asked for a certificate says that it is used no more; where it is a pod's, that pod alone. Replicas that share a service
  account have one identity and several pods: none speaks for what another pod has.
- It is named by what its holder may know of it: identifier, serial number, or the request_id under which it was asked for, since
  the answer may never have come.
- What is not this caller's and what does not exist look the same.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ca.calls import Call
from ca.errors import CertificateNotFound
from store.errors import NotFound
from store.inventory import Inventory
from store.pod_certificates import PodCertificates
from store.records import CertificateRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """Synchronous: edges call it in worker threads."""

    inventory: Inventory
    pod_certificates: PodCertificates

    def of_caller(self, call: Call, name: str) -> str:
        """The id of a certificate of who shows the present one. Raises CertificateNotFound."""
        shown = call.caller.serial_number
        pod_uid = None if shown is None else self.pod_certificates.pod_of(shown)
        found = self._find(call.caller.name, {None, pod_uid}, name)
        if found is None:
            raise CertificateNotFound(f"no certificate {name[:64]!r} that you asked for; list yours with: ca-cli list")
        return found

    def of_pod(self, requester: str, pod_uid: str, name: str) -> str | None:
        """The id of a certificate that this pod asked for as `requester`; None where it did not."""
        return self._find(requester, {pod_uid}, name)

    def _find(self, requester: str, holders: set[str | None], name: str) -> str | None:
        """`holders` are UIDs of pods, None for what is no pod's."""
        for record in self._named(requester, name):
            if record.requester == requester and self.pod_certificates.pod_of(record.id) in holders:
                return record.id
        return None

    def _named(self, requester: str, name: str) -> Iterator[CertificateRecord]:
        with contextlib.suppress(NotFound):
            yield self.inventory.find(name)
        with contextlib.suppress(NotFound):
            yield self.inventory.find_by_request(requester, name)
