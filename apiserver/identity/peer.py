"""Who is at the other end of a TLS connection: the certificate that OpenSSL has verified, and by which CA.

- Asked for once for each connection; what can change later (the present time, the trusted CAs) is asked with each request.
"""

import ssl
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`anchors` are the DER octets of the chain that was verified, from behind the leaf to the trusted end of it."""

    common_name: str
    organizations: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    is_client: bool
    fingerprint: str
    anchors: tuple[bytes, ...]

    @classmethod
    def from_chain(cls, chain: Sequence[bytes]) -> "Peer":
        """From a verified chain as DER, leaf first."""
        leaf = x509.load_der_x509_certificate(chain[0])
        names = leaf.subject
        common = names.get_attributes_for_oid(NameOID.COMMON_NAME)
        return cls(
            common_name=str(common[-1].value) if common else "",  # the last one, as Go and so kube-apiserver reads it
            organizations=tuple(str(one.value) for one in names.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            is_client=_is_client(leaf),
            fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
            anchors=tuple(chain[1:]) or (chain[0],),
        )

    def is_valid_at(self, now: datetime) -> bool:
        return self.not_before <= now <= self.not_after


class Peers:
    """Remembers what was read of certificates: reading one costs more than many a request.

    A connection keeps the certificate that it began with, so its leaf and the CAs that were trusted when it was first looked at say
    all. Belongs to the event loop.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._known: OrderedDict[tuple[bytes, int], Peer] = OrderedDict()
        self._capacity = capacity

    def of(self, connection: ssl.SSLObject | None, generation: int) -> Peer | None:
        """None where there is no TLS or no certificate. `generation` numbers the settings of whom the server believes."""
        leaf = None if connection is None else connection.getpeercert(binary_form=True)
        if connection is None or leaf is None:
            return None
        key = (leaf, generation)
        peer = self._known.get(key)
        if peer is None:
            peer = self._known[key] = Peer.from_chain(_verified_chain(connection))
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return peer


def _verified_chain(connection: ssl.SSLObject) -> Sequence[bytes]:
    """Public from Python 3.13 on; before, the same method of the object behind."""
    public: Any = getattr(connection, "get_verified_chain", None)
    if public is not None:
        return list(public())
    behind: Any = connection._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in behind.get_verified_chain()]


def _is_client(leaf: x509.Certificate) -> bool:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages
