"""Certificates with whatever subject a test wants, and TLS connections that show them, made in memory."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from multidict import CIMultiDict, CIMultiDictProxy

from apiserver.identity.tls import ReloadingContext
from apiserver.identity.trust import CaBundle, RequestHeaderSettings, Trust, TrustSettings
from tests.apiserver.server import serving_pair

COMMON_NAME, ORGANIZATION = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME
CLIENT, SERVER, ANY = (
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """`chain` has the leaf first; the root is not in it."""

    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.chain[0].public_bytes(Encoding.DER)


@dataclass(slots=True, kw_only=True)
class Authority:
    """A CA. `above` is empty for a root, else its own certificate and those between it and the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @classmethod
    def root(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name([(COMMON_NAME, name)])
        return cls(certificate=_certificate(subject, key, subject, key, [_constraints()]), key=key)

    def intermediate(self, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(
            _name([(COMMON_NAME, name)]), key, self.certificate.subject, self.key, [_constraints()]
        )
        return Authority(certificate=certificate, key=key, above=(certificate, *self.above))

    def issue(
        self,
        *subject: tuple[ObjectIdentifier, str],
        usages: Sequence[ObjectIdentifier] = (CLIENT,),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage(usages)] if usages else []
        extensions.append(x509.SubjectAlternativeName([x509.DNSName("whoever")]))
        leaf = _certificate(
            _name(subject),
            key,
            self.certificate.subject,
            self.key,
            extensions,
            not_before=not_before,
            not_after=not_after,
        )
        return Credential(chain=(leaf, *self.above), key=key)

    @property
    def bundle(self) -> CaBundle:
        return CaBundle.from_pem(self.certificate.public_bytes(Encoding.PEM))


def trust_in(
    client_ca: Authority | None = None, proxy_ca: Authority | None = None, allowed_names: tuple[str, ...] = ()
) -> Trust:
    return Trust(
        TrustSettings(
            client_ca=CaBundle() if client_ca is None else client_ca.bundle,
            request_header=RequestHeaderSettings(
                ca=CaBundle() if proxy_ca is None else proxy_ca.bundle, allowed_names=allowed_names
            ),
        )
    )


@dataclass(slots=True, kw_only=True)
class Door:
    """Where callers shake hands. `trust` may change while connections stay open."""

    trust: Trust
    _tls: ReloadingContext = field(init=False)
    _ca: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self._tls = ReloadingContext(serving_pair(self._ca), self.trust, minimum=ssl.TLSVersion.TLSv1_3)

    def connection(self, credential: Credential | None, load: Callable[[ssl.SSLContext], None]) -> ssl.SSLObject:
        """The server's end. `load` puts the credential into a client's context. Raises ssl.SSLError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        if credential is not None:
            load(context)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
        server = self._tls.context.wrap_bio(to_server, to_client, server_side=True)
        waiting = [client, server]
        while waiting:
            for end in tuple(waiting):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                waiting.remove(end)
        return server


def load_from(directory, credential: Credential) -> Callable[[ssl.SSLContext], None]:
    """OpenSSL reads certificates of clients from files alone."""
    path = directory / f"{credential.chain[0].serial_number}.pem"
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in credential.chain)
    path.write_bytes(pem + credential.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return lambda context: context.load_cert_chain(path)


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def _name(attributes: Sequence[tuple[ObjectIdentifier, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in attributes])


def _constraints() -> x509.ExtensionType:
    return x509.BasicConstraints(ca=True, path_length=None)


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: Sequence[x509.ExtensionType],
    *,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC).replace(microsecond=0)
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=not_before or now - DAY,
        not_valid_after=not_after or now + DAY,
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
