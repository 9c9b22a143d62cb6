"""The settings of `ca-cli controller`, each declared once for flags, variables, YAML and documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from certs.errors import MalformedName
from certs.names import TrustDomain
from kube.errors import KubeSettingsInvalid
from kube.service_names import NameForms
from serving.settings import build, setting

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_VOLUMES = Path("/var/run/secrets/chancery.dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class InCluster:
    """Which cluster, and where in it this process has its lease."""

    kubeconfig: Path | None = setting(
        None, "Kubeconfig of the cluster. Empty: the service account of the pod that this runs in."
    )
    namespace: str = setting("", "Namespace of the lease. Empty: that of the pod.")
    lease_name: str = setting("chancery-controller", "Lease by which one of several processes leads.")
    cluster_domain: str = setting(
        "cluster.local", "DNS domain of the cluster, below which its Services have their names."
    )
    short_names: bool = setting(
        True, "Register names of Services without `.svc` too, as in `web.shop`. Off where policy does not let them be."
    )
    workers: int = setting(4, "Threads that each controller works with.")

    @property
    def name_forms(self) -> NameForms:
        """Raises MalformedName."""
        return NameForms.of(self.cluster_domain, short_names=self.short_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAuthority:
    """Where the authority is, and as whom this process comes to it."""

    server: str = setting("chancery.chancery.svc:8112", "The authority's gRPC port, HOST:PORT.")
    http_server: str = setting("chancery.chancery.svc:8111", "Its HTTPS port, HOST:PORT: for enrollment and renewal.")
    identity: Path = setting(
        _VOLUMES / "tls", "Directory of tls.crt, tls.key and ca.crt; followed while others replace them."
    )
    token_file: Path | None = setting(
        None,
        "Service account token, or one-time token, to get that identity with; it is then kept fresh in this process. Empty: "
        "somebody else sees to the directory.",
    )
    bootstrap: Path = setting(
        _VOLUMES / "bootstrap" / "ca.crt", "With token_file: roots by which the authority is believed the first time."
    )
    call_timeout: timedelta = setting(timedelta(seconds=10), "Longest time for a call to the authority.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What this process does. What is off is not watched, and needs no permission."""

    signing: bool = setting(
        True, "Sign CertificateSigningRequests, PodCertificateRequests and cert-manager CertificateRequests."
    )
    injection: bool = setting(True, "Keep the caBundle of labelled webhooks, APIServices and CRD conversions.")
    trust: bool = setting(
        True, "Publish the roots as ConfigMap chancery-roots, and as ClusterTrustBundle where there is one."
    )
    pods: bool = setting(True, "Tell the authority about pods: names that Services give them, and their end.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Where the trust bundle goes, and how long it takes to get there: the authority is told that it is held after that."""

    trust_namespaces: tuple[str, ...] = setting(
        (), "Namespaces that get ConfigMap chancery-roots whatever their labels."
    )
    trust_by_label: bool = setting(
        True, "Namespaces that are labelled, or have a pod that is, get it. Off: those of trust_namespaces alone."
    )
    config_map_propagation: timedelta = setting(
        timedelta(seconds=90), "How long kubelets take to show pods a ConfigMap that has changed."
    )
    cluster_trust_bundle_propagation: timedelta = setting(
        timedelta(minutes=6),
        "How long kubelets take to show pods a ClusterTrustBundle that has changed; one that was replaced stays for so long.",
    )
    ca_bundle_propagation: timedelta = setting(
        timedelta(seconds=2), "How long API servers take to use a caBundle that has changed."
    )
    trust_interval: timedelta = setting(
        timedelta(seconds=5), "How often the authority is asked for its trust bundle, and told what the cluster holds."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """What is signed for the cluster's requests. The authority's policy holds beside it."""

    trust_domain: str = setting("cluster.local", "Trust domain of the SPIFFE IDs in certificates: the authority's.")
    signing_lifetime: timedelta = setting(
        timedelta(hours=24), "Lifetime of certificates for requests in the cluster that ask for none."
    )
    signing_max_lifetime: timedelta = setting(
        timedelta(hours=24),
        "What a longer lifetime that a request asks for is cut to. Pods cannot have certificates of less than an hour.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability:
    health_address: str = setting("127.0.0.1", "Address of /livez, /readyz and /metrics; `0.0.0.0` or `::` for all.")
    health_port: int = setting(8114, "Its port, plain HTTP. 0: any free port.")
    log_format: str = setting("auto", "`json`, `console`, or `auto`: console on a terminal.")
    log_level: str = setting("info", "`debug`, `info`, `warning` or `error`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    cluster: InCluster = field(default_factory=InCluster)
    authority: ToAuthority = field(default_factory=ToAuthority)
    features: Features = field(default_factory=Features)
    distribution: Distribution = field(default_factory=Distribution)
    signers: Signers = field(default_factory=Signers)
    observability: Observability = field(default_factory=Observability)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> "ControllerSettings":
        """Builds settings from flat names to values, text or already typed. Raises KubeSettingsInvalid with all faults."""
        settings, faults = build(cls, values)
        faults += _contradictions(settings)
        if faults:
            raise KubeSettingsInvalid(faults)
        return settings

    @property
    def namespace(self) -> str:
        """Of the lease. Raises KubeSettingsInvalid where nobody says it."""
        return self.cluster.namespace or namespace_of_the_pod()


def namespace_of_the_pod() -> str:
    """Raises KubeSettingsInvalid outside of a pod."""
    try:
        return _NAMESPACE_FILE.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise KubeSettingsInvalid(["namespace: this process is in no pod that says it; give --namespace"]) from err


def _contradictions(settings: ControllerSettings) -> list[str]:
    """What no single setting shows."""
    cluster, features, observability = settings.cluster, settings.features, settings.observability
    spread, signers = settings.distribution, settings.signers
    propagations = (
        spread.config_map_propagation,
        spread.cluster_trust_bundle_propagation,
        spread.ca_bundle_propagation,
    )
    checks = (
        (
            not all(timedelta() <= one <= timedelta(hours=1) for one in propagations),
            "config_map_propagation, cluster_trust_bundle_propagation, ca_bundle_propagation: must be from 0s to 1h",
        ),
        (
            not timedelta(milliseconds=50) <= spread.trust_interval <= timedelta(seconds=30),
            "trust_interval: must be from 0.05s to 30s",
        ),
        (
            features.trust and not spread.trust_by_label and not spread.trust_namespaces,
            "trust_by_label is off and trust_namespaces is empty: no namespace would get the roots; turn trust off",
        ),
        (not 1 <= cluster.workers <= 64, "workers: must be from 1 to 64"),
        (not cluster.lease_name, "lease_name: must not be empty"),
        (not _is_cluster_domain(cluster.cluster_domain), f"cluster_domain: {cluster.cluster_domain!r} cannot be one"),
        (
            not any((features.signing, features.injection, features.trust, features.pods)),
            "signing, injection, trust and pods are all off: there would be nothing to do",
        ),
        (not _is_trust_domain(signers.trust_domain), f"trust_domain: {signers.trust_domain!r} cannot be one"),
        (
            not timedelta(minutes=10) <= signers.signing_lifetime <= signers.signing_max_lifetime <= timedelta(days=90),
            "signing_lifetime, signing_max_lifetime: must be from 10m to 90d, and the first no longer than the second",
        ),
        (
            not timedelta(seconds=1) <= settings.authority.call_timeout <= timedelta(minutes=1),
            "call_timeout: must be from 1s to 1m",
        ),
        (observability.health_port > 65535, f"health_port: {observability.health_port} is out of range"),
        (observability.log_format not in {"auto", "json", "console"}, "log_format: must be json, console or auto"),
        (
            observability.log_level not in {"debug", "info", "warning", "error"},
            "log_level: must be debug, info, warning or error",
        ),
    )
    return [fault for wrong, fault in checks if wrong]


def _is_trust_domain(text: str) -> bool:
    try:
        TrustDomain.parse(text)
    except MalformedName:
        return False
    return True


def _is_cluster_domain(text: str) -> bool:
    try:
        NameForms.of(text, short_names=True)
    except MalformedName:
        return False
    return True
