"""What `ca-cli serve` can be told: every setting with its unit, its default and what follows from it.

- One name for all: the field `grpc_port` is the flag `--grpc-port`, the variable `CHANCERY_GRPC_PORT` and the YAML key `grpc_port`.
- Read once, before anything starts; `ServeSettings.from_mapping` lists every fault, not only the first.
- Frozen: what a process was started with is what it runs with. The policy file and the certificates are the exceptions,
  re-read while it runs; they are documents, not settings.
"""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ca.errors import SettingsInvalid
from certs.errors import CertsError
from certs.keys import KeyType
from certs.names import SpiffeId, SubjectAlternativeNames, TrustDomain
from certs.permitted_names import PermittedNames
from serving.log_settings import LogSettings
from serving.settings import build, is_loopback, setting

MAXIMUM_CRL_SHARDS = 1024
_OPENSSL_WITH_ML_DSA = (3, 5)
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL.pattern}(?:\.{_LABEL.pattern})*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where the authority keeps what it must not lose."""

    data_directory: Path = setting(
        Path("~/.chancery/ca"), "Directory of keys, policy and the embedded database; mode 0700."
    )
    database: str = setting(
        "", "Database URL: sqlite:///PATH or postgresql://…. Empty: chancery.db in the data directory."
    )
    passphrase_file: Path | None = setting(
        None,
        "File that holds the passphrase of the CA keys. Empty: the variable CHANCERY_PASSPHRASE, if it is set; else `passphrase` "
        "in the data directory, made by the first start.",
    )
    pkcs11_module: Path | None = setting(
        None,
        "PKCS#11 module, a shared library: CA keys are made in its token, and never leave it. Those that were made before stay "
        "where they are until they are rotated. Empty: CA keys are kept encrypted under the passphrase.",
    )
    pkcs11_token: str = setting("", "Label of the token behind pkcs11_module.")
    pkcs11_pin_file: Path | None = setting(
        None, "File that holds the token's user PIN. Empty: the variable CHANCERY_PKCS11_PIN."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Where the process listens, and for whom."""

    listen_address: str = setting("127.0.0.1", "Address of every listener; `0.0.0.0` or `::` for all.")
    grpc: bool = setting(True, "Serve gRPC; without it, HTTP only.")
    mtls: bool = setting(
        True, "TLS 1.3 everywhere and client certificates on the gRPC port. Without it, plain text, and loopback only."
    )
    insecure_bind: bool = setting(
        False,
        "Let a server without mTLS listen beyond loopback. Everyone there may ask for anything policy gives anonymous callers.",
    )
    grpc_port: int = setting(8112, "gRPC with client certificates: certificates and administration. 0: any free port.")
    http_port: int = setting(8111, "HTTP: JSON twin, roots, CRLs, health, metrics. 0: any free port.")
    enrollment_port: int = setting(8113, "gRPC without client certificates: enrollment and trust. 0: any free port.")
    revocation_port: int | None = setting(
        None,
        "Plain HTTP for /crl/, /ocsp and /roots.pem alone: whoever checks a certificate cannot do it over TLS that needs the "
        "check (RFC 5280 section 8). Empty: none. 0: any free port.",
    )
    advertised_names: tuple[str, ...] = setting(
        (),
        "DNS names and addresses of the serving certificate beside localhost, 127.0.0.1, ::1 and the host's own name.",
    )
    drain_timeout: timedelta = setting(
        timedelta(seconds=10), "How long calls under way may take once the process is told to stop."
    )
    reflection: bool = setting(True, "Serve gRPC reflection, so that grpcurl and the like need no .proto files.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """What the first start makes; later ones adopt what they find. Issuing CAs made by rotations have the type and
    the limits that are set then."""

    trust_domain: str = setting("cluster.local", "SPIFFE trust domain of every workload identity.")
    key_type: KeyType | None = setting(
        None, "Key type of root and issuing CA. Empty: ec-p256 at first, and in a rotation that of what is replaced."
    )
    root_common_name: str = setting("Chancery Root CA", "Common name of the root.")
    issuer_common_name: str = setting("Chancery Issuing CA", "Common name of the issuing CA.")
    permitted_dns: tuple[str, ...] = setting(
        (),
        "Domains: issuing CAs that are made may name them and what is below them, and no other DNS name. Empty: all. Names of the "
        "server itself, such as localhost, are no exception.",
    )
    permitted_ips: tuple[str, ...] = setting(
        (), "Networks, such as 10.0.0.0/8, whose addresses issuing CAs that are made may name. Empty: all."
    )
    permitted_uris: tuple[str, ...] = setting(
        (),
        "Hosts in URIs that issuing CAs that are made may name: example.com is that one host, .example.com all below it. The trust "
        "domain is the host of workload identities. Empty: all.",
    )
    permitted_emails: tuple[str, ...] = setting(
        (),
        "Mailboxes that issuing CAs that are made may name: all at the host example.com, below .example.com, or one: "
        "a@example.com. Empty: all.",
    )

    @property
    def permitted_names(self) -> PermittedNames | None:
        """Raises MalformedName."""
        permitted = PermittedNames.parse(
            dns=self.permitted_dns, ips=self.permitted_ips, uris=self.permitted_uris, emails=self.permitted_emails
        )
        return None if permitted.is_empty else permitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """How certificates are made and remembered."""

    policy_file: Path | None = setting(
        None, "Policy document, re-read when it changes. Empty: `policy.yaml` in the data directory."
    )
    crl_base_url: str = setting(
        "",
        "http:// URL under which this server's /crl/ is reached; put into certificates as CRL distribution point. Empty: none.",
    )
    ocsp_url: str = setting(
        "", "http:// URL of this server's /ocsp; put into certificates, whose users will then ask it. Empty: none."
    )
    crl_lifetime: timedelta = setting(
        timedelta(hours=24), "nextUpdate minus thisUpdate; a new CRL is made at half of it, and at each revocation."
    )
    crl_shards: int = setting(
        16, "CRL shards for new certificates, 1 to 1024; a certificate's shard is fixed at issuance."
    )
    key_retention: timedelta = setting(
        timedelta(hours=24), "How long a key made by the server waits to be fetched before it is deleted."
    )
    signing_queue: int = setting(
        4096, "Requests that may wait for the signing thread; beyond it callers are told to come back."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How issuing CAs and roots are replaced; see docs/rotation.md."""

    rotation_automatic: bool = setting(True, "Replace issuing CA and root at two thirds of their lives.")
    rotation_overlap: timedelta = setting(
        timedelta(hours=1),
        "How long what is new is published at least before it signs, for those who look for it and never say so.",
    )
    rotation_settle: timedelta = setting(
        timedelta(seconds=15),
        "How long each phase lasts at least, and how long a certificate counts as in use after it was renewed: as long as the "
        "slowest service takes to have in place what it was given, its reload included. At least a second.",
    )
    rotation_silence: timedelta = setting(
        timedelta(hours=24), "A consumer of the trust bundle that was not heard of for so long is not waited for."
    )
    rotation_patience: timedelta = setting(
        timedelta(days=7),
        "How long a consumer that reports and does not follow is waited for, where a cross-certificate serves it as well.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """Whose service accounts may enroll; see docs/kubernetes.md."""

    kubernetes_enrollment: bool = setting(
        False,
        "Let pods exchange service-account tokens for certificates. Needs `create tokenreviews` in the cluster; policy decides "
        "as for everybody.",
    )
    kubernetes_audience: str = setting(
        "chancery.dev", "Audience that tokens must be made for, and for no other; no two authorities should share one."
    )
    kubernetes_kubeconfig: Path | None = setting(
        None, "Kubeconfig of the cluster. Empty: the service account of the pod in which the server runs."
    )
    kubernetes_pod_check: bool = setting(
        False,
        "Look at the pod itself too: that it is there, runs, is not being deleted, and is the one of the token. Needs `get pods`.",
    )
    kubernetes_namespace: str = setting(
        "", "Namespace of the two Secrets below. Empty: that of the pod; with a kubeconfig it must be said."
    )
    kubernetes_passphrase_secret: str = setting(
        "",
        "Secret that holds the passphrase of the CA keys, in `passphrase`; made by the first start of all replicas, never made "
        "anew. Empty: see passphrase_file.",
    )
    kubernetes_roots_secret: str = setting(
        "",
        "Secret in whose `ca.crt` the present roots are kept up to date, for pods of the same namespace to mount. A start that "
        "finds it and no authority stops. Empty: none.",
    )
    kubernetes_registrar: str = setting(
        "",
        "NAMESPACE/NAME of the service account of the cluster's registrar: the default policy, where a first start writes it, lets "
        "that workload register. Empty: only callers of organization chancery:registrars.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    storage: Storage = field(default_factory=Storage)
    listeners: Listeners = field(default_factory=Listeners)
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    issuance: Issuance = field(default_factory=Issuance)
    rotation: Rotation = field(default_factory=Rotation)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    observability: LogSettings = field(default_factory=LogSettings)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> "ServeSettings":
        """Builds settings from flat names to values, text or already typed. Raises SettingsInvalid with all faults."""
        settings, faults = build(cls, values)
        faults += _contradictions(settings)
        if faults:
            raise SettingsInvalid(faults)
        return settings

    @property
    def database_url(self) -> str:
        return self.storage.database or f"sqlite:///{self.data_directory / 'chancery.db'}"

    @property
    def data_directory(self) -> Path:
        return self.storage.data_directory.expanduser().absolute()

    @property
    def passphrase_file(self) -> Path:
        return (self.storage.passphrase_file or self.data_directory / "passphrase").expanduser()

    @property
    def policy_file(self) -> Path:
        return (self.issuance.policy_file or self.data_directory / "policy.yaml").expanduser()

    @property
    def registrar(self) -> SpiffeId | None:
        """Whom the default policy lets register."""
        namespace, _, service_account = self.kubernetes.kubernetes_registrar.partition("/")
        if not namespace:
            return None
        trust_domain = TrustDomain.parse(self.hierarchy.trust_domain)
        return SpiffeId.for_service_account(trust_domain, namespace, service_account)


def _advertised_faults(names: Sequence[str]) -> list[str]:
    faults = []
    for name in names:
        try:
            SubjectAlternativeNames.of_hosts([name])
        except CertsError as err:
            faults.append(f"advertised_names: {err}")
    return faults


def _token_faults(settings: ServeSettings) -> list[str]:
    if settings.storage.pkcs11_module is None:
        return []
    faults = []
    if not settings.storage.pkcs11_token:
        faults.append("pkcs11_token: say which token of pkcs11_module holds the keys")
    key_type = settings.hierarchy.key_type
    if key_type is not None and not key_type.startswith(("ec-", "rsa-")):
        faults.append(f"key_type: {key_type} is not made in a PKCS#11 token; take an EC or RSA type")
    return faults


def _post_quantum_faults(settings: ServeSettings) -> list[str]:
    """The HTTPS port has the TLS of Python, gRPC its own, which knows ML-DSA; docs/post-quantum.md has what was tried."""
    key_type = settings.hierarchy.key_type
    is_asked = settings.listeners.mtls and key_type is not None and key_type.is_post_quantum
    if not is_asked or ssl.OPENSSL_VERSION_INFO >= _OPENSSL_WITH_ML_DSA:
        return []
    return [
        f"key_type: the {ssl.OPENSSL_VERSION} of this Python cannot verify ML-DSA chains, 3.5 can; take another, or turn mtls off"
    ]


def _kubernetes_faults(settings: ServeSettings) -> list[str]:
    cluster, faults = settings.kubernetes, []
    if not re.fullmatch(r"\S{1,256}", cluster.kubernetes_audience):
        faults.append("kubernetes_audience: must be one to 256 characters without spaces")
    passphrase, roots = cluster.kubernetes_passphrase_secret, cluster.kubernetes_roots_secret
    names = (("kubernetes_passphrase_secret", passphrase), ("kubernetes_roots_secret", roots))
    faults += [
        f"{setting}: {name!r} names no Secret" for setting, name in names if name and not _SUBDOMAIN.fullmatch(name)
    ]
    if cluster.kubernetes_namespace and not _LABEL.fullmatch(cluster.kubernetes_namespace):
        faults.append(f"kubernetes_namespace: {cluster.kubernetes_namespace!r} is no namespace")
    namespace, _, account = cluster.kubernetes_registrar.partition("/")
    if cluster.kubernetes_registrar and not (_LABEL.fullmatch(namespace) and _SUBDOMAIN.fullmatch(account)):
        faults.append("kubernetes_registrar: say NAMESPACE/NAME of a service account")
    if passphrase and passphrase == roots:
        faults.append("kubernetes_passphrase_secret and kubernetes_roots_secret must differ")
    if passphrase and settings.storage.passphrase_file is not None:
        faults.append("kubernetes_passphrase_secret: there is a passphrase_file, too; name one of them")
    if (passphrase or roots) and cluster.kubernetes_kubeconfig is not None and not cluster.kubernetes_namespace:
        faults.append("kubernetes_namespace: say in which namespace of kubernetes_kubeconfig the Secrets are")
    return faults


def _contradictions(settings: ServeSettings) -> list[str]:
    """What no single setting shows."""
    faults = []
    listeners, issuance = settings.listeners, settings.issuance
    if not listeners.mtls and not listeners.insecure_bind and not is_loopback(listeners.listen_address):
        faults.append(
            f"listen_address: {listeners.listen_address} is not loopback and mtls is off; turn it on, or say insecure_bind"
        )
    asked = (listeners.grpc_port, listeners.http_port, listeners.enrollment_port, listeners.revocation_port)
    ports = [port for port in asked if port]
    faults += [f"port {port} is out of range" for port in ports if port > 65535]
    if len(set(ports)) < len(ports):
        faults.append("grpc_port, http_port, enrollment_port and revocation_port must differ")
    if not 1 <= issuance.crl_shards <= MAXIMUM_CRL_SHARDS:
        faults.append("crl_shards: must be from 1 to 1024")
    if not 1 <= issuance.signing_queue <= 1_000_000:
        faults.append("signing_queue: must be from 1 to 1,000,000")
    if issuance.crl_lifetime < timedelta(minutes=1):
        faults.append("crl_lifetime: must be at least one minute")
    if settings.rotation.rotation_settle < timedelta(seconds=1):
        faults.append("rotation_settle: must be at least one second; what was handed out is not in place before")
    faults += [
        f"{name}: must be an http:// URL; https would need the check that it is for (RFC 5280 section 8)"
        for name, url in (("crl_base_url", issuance.crl_base_url), ("ocsp_url", issuance.ocsp_url))
        if url and not re.fullmatch(r"http://[^\s?#]+", url)
    ]
    faults += _advertised_faults(listeners.advertised_names)
    faults += _post_quantum_faults(settings)
    faults += _token_faults(settings)
    faults += _kubernetes_faults(settings)
    faults += settings.observability.log_faults()
    try:
        _ = settings.hierarchy.permitted_names
    except CertsError as err:
        faults.append(str(err))
    try:
        TrustDomain.parse(settings.hierarchy.trust_domain)
    except CertsError as err:
        faults.append(f"trust_domain: {err}")
    return faults
