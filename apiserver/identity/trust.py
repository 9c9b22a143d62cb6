"""Whom the server believes: CAs of clients, CAs of the front proxy, names of its headers. Replaced whole, while it runs."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography import x509

from apiserver.errors import ApiSettingsInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class CaBundle:
    """Certificates of CAs: `pem` as it was given, `anchors` their DER octets."""

    pem: str = ""
    anchors: frozenset[bytes] = frozenset()

    @classmethod
    def from_pem(cls, octets: bytes) -> "CaBundle":
        """Raises ApiSettingsInvalid where there is no certificate in it, or one that cannot be read."""
        try:
            certificates = x509.load_pem_x509_certificates(octets)
        except ValueError as err:
            raise ApiSettingsInvalid([f"the CA bundle cannot be read: {err}"]) from err
        pem = octets.decode(errors="replace")
        return cls(pem=pem, anchors=frozenset(map(ssl.PEM_cert_to_DER_cert, _blocks(pem)))) if certificates else cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaderSettings:
    """What a front proxy says in (kube-apiserver's --requestheader-* flags). No `allowed_names`: any."""

    ca: CaBundle = field(default_factory=CaBundle)
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    client_ca: CaBundle = field(default_factory=CaBundle)
    request_header: RequestHeaderSettings = field(default_factory=RequestHeaderSettings)

    @property
    def offered_pem(self) -> str:
        """Every CA that a client may have its certificate from."""
        return f"{self.client_ca.pem}\n{self.request_header.ca.pem}".strip()


class Trust:
    """Holds the present settings; whoever depends on them is told when they change. Safe to use from any thread."""

    def __init__(self, settings: TrustSettings) -> None:
        self._settings = settings
        self.generation = 0
        self._subscribers: list[Callable[[TrustSettings], None]] = []
        self._lock = threading.Lock()

    @property
    def present(self) -> TrustSettings:
        return self._settings

    def subscribe(self, subscriber: Callable[[TrustSettings], None]) -> None:
        """Calls `subscriber` with each later settings, in the thread that changed them."""
        self._subscribers.append(subscriber)

    def set_client_ca(self, bundle: CaBundle) -> None:
        with self._lock:
            self._replace(replace(self._settings, client_ca=bundle))

    def set_request_header(self, settings: RequestHeaderSettings) -> None:
        with self._lock:
            self._replace(replace(self._settings, request_header=settings))

    def _replace(self, settings: TrustSettings) -> None:
        if settings == self._settings:
            return
        self._settings = settings
        self.generation += 1
        for subscriber in self._subscribers:
            subscriber(settings)


def _blocks(pem: str) -> list[str]:
    end = "-----END CERTIFICATE-----"
    return [block[block.index("-----BEGIN CERTIFICATE-----") :] + end for block in pem.split(end)[:-1]]
