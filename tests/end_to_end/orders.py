"""What users of the cluster ask for while something else happens: certificates for their Services, and pods with an identity.

- Each order is waited for before the next one of its kind is made. What was given is remembered.
"""

import base64
import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography import x509

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import split_certificates
from certs.requests import build_request
from tests.end_to_end.installation import Installation, certificate_in, fault
from tests.end_to_end.objects import SHOP, labelled_pod, signing_request

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
PODS = f"/api/v1/namespaces/{SHOP}/pods"
_SECONDS = 90.0
_INTERVAL_SECONDS = 0.1

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Orders:
    """Its two methods are calls as `kept_calling` makes them: they return what is wrong."""

    release: Installation
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)
    """Leaves, by the names of requests."""
    pods: dict[str, x509.Certificate] = field(default_factory=dict)
    """First leaves, by the names of pods."""
    waits: dict[str, float] = field(default_factory=dict)
    """Seconds, by the names of both."""
    under_way: str = ""
    """The request that waits now."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def sign(self) -> str:
        """An order of somebody outside pods, approved as an administrator does."""
        admin, name = self.release.cluster.admin, f"order-{next(self._numbers)}"
        dns = f"{name}.{SHOP}.svc"
        key = generate_private_key(KeyType.EC_P256)  # what was revoked with a key is refused under it for good
        request = build_request(key, SubjectName(common_name=dns), SubjectAlternativeNames.parse(dns=[dns]))
        if wrong := fault(made := admin.create(REQUESTS, signing_request(name, request)), 201):
            return wrong
        approved = {"type": "Approved", "status": "True", "reason": "ByTest"}
        document = {**made.document, "status": {"conditions": [approved]}}
        if wrong := fault(admin.put(f"{REQUESTS}/{name}/approval", document), 200):
            return wrong
        self.under_way = name
        if not (leaf := self._awaited(name, self._certificate_of)):
            return f"{name} is not signed: {admin.get(f'{REQUESTS}/{name}').document}"
        self.certificates[name] = leaf
        return ""

    def serve_pod(self) -> str:
        name = f"pod-{next(self._numbers)}"
        if wrong := fault(self.release.cluster.admin.create(PODS, labelled_pod(name)), 201):
            return wrong
        if not (leaf := self._awaited(name, self.identity_of)):
            return f"{name} has no identity"
        self.pods[name] = leaf
        return ""

    def identity_of(self, pod: str) -> x509.Certificate | None:
        """Its leaf."""
        with contextlib.suppress(StopIteration, KeyError, FileNotFoundError):
            return certificate_in(self.release.directory_in(SHOP, pod, "idle"))
        return None

    def _certificate_of(self, name: str) -> x509.Certificate | None:
        status: dict[str, Any] = self.release.cluster.admin.get(f"{REQUESTS}/{name}").document["status"]
        pem = base64.b64decode(status.get("certificate", ""))
        return split_certificates(pem)[0] if pem else None

    def _awaited(self, name: str, ask: Callable[[str], T | None]) -> T | None:
        began = time.monotonic()
        while not (found := ask(name)) and time.monotonic() < began + _SECONDS:
            time.sleep(_INTERVAL_SECONDS)
        self.waits[name] = time.monotonic() - began
        return found
