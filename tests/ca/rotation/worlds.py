"""An authority whose rotations are moved by hand, consumers of its trust bundle, and holders of its certificates."""

from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509

from ca.calls import Call
from ca.office import Office
from certs.chains import verify_chain
from certs.pem import load_certificates
from store.records import CertificateRecord
from tests.ca.offices import FixedClock, administrator, call_of, order_for

ROOT, ISSUER = "root", "issuer"
ADMINISTRATOR: Call = call_of(administrator())


@dataclass(slots=True)
class Consumer:
    """Verifies with the roots that it last took."""

    office: Office
    name: str
    roots: tuple[x509.Certificate, ...] = ()
    generation: int = 0

    def follow(self) -> None:
        bundle = self.office.issuers.bundle
        self.roots, self.generation = bundle.roots, bundle.generation
        self.report()

    def report(self) -> None:
        self.office.rotations.report(self.name, self.generation)

    def accepts(self, holder: "Holder") -> bool:
        leaf, *others = holder.chain
        try:
            verify_chain(leaf, others, self.roots, at=self.office.clock(), usage="server", name=None)
        except Exception:  # noqa: BLE001 - whatever it is, it is no
            return False
        return True


@dataclass(slots=True)
class Holder:
    """Has a certificate, with the chain that came with it."""

    office: Office
    name: str
    record: CertificateRecord = field(init=False)
    chain: list[x509.Certificate] = field(init=False)

    def __post_init__(self) -> None:
        self._take(None)

    def renew(self) -> None:
        self._take(self.record.id)

    @property
    def is_asked_to_renew(self) -> bool:
        key_id = self.chain[0].extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        return key_id is not None and key_id.hex() in self.office.issuers.bundle.retiring_key_ids

    def _take(self, renewed_from: str | None) -> None:
        self.record = self.office.authority.issue(order_for(self.name, renewed_from=renewed_from))
        leaf = x509.load_der_x509_certificate(self.record.der)
        self.chain = [leaf, *load_certificates(self.office.issuers.chain_pem(self.record.issuer_id))]


def settle(office: Office, clock: FixedClock) -> None:
    """Lets the keeper look, as minutes go by, until nothing has moved for ten of them."""
    still = 0
    while still < 20:
        clock.advance(timedelta(seconds=30))
        still = 0 if office.rotations.look() else still + 1


def phase(office: Office) -> str | None:
    """Of the present rotation or the last one."""
    rotation = office.rotations.status().rotation
    return None if rotation is None else rotation.phase
