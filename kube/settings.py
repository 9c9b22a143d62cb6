"""The settings of `ca-cli controller`, each declared once for flags, variables, YAML and documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from certs.errors import MalformedName
from certs.names import TrustDomain
from kube.errors import KubeSettingsInvalid
from kube.shared_settings import HEALTH_PORT, NamesOfServices, Observability, OwnIdentity, namespace_of_the_pod
from serving.settings import build, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class InCluster(NamesOfServices):
    """Which cluster, and where in it this process has its lease."""

    kubeconfig: Path | None = setting(
        None, "Kubeconfig of the cluster. Empty: the service account of the pod that this runs in."
    )
    namespace: str = setting("", "Namespace of the lease. Empty: that of the pod.")
    lease_name: str = setting("chancery-controller", "Lease by which one of several processes leads.")
    workers: int = setting(4, "Threads that each controller works with.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAuthority(OwnIdentity):
    """Where the authority is, and as whom this process comes to it."""

    server: str = setting("chancery.chancery.svc:8112", "The authority's gRPC port, HOST:PORT.")
    http_server: str = setting("chancery.chancery.svc:8111", "Its HTTPS port, HOST:PORT: for enrollment and renewal.")
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
class ControllerObservability(Observability):
    health_port: int = setting(8114, HEALTH_PORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    cluster: InCluster = field(default_factory=InCluster)
    authority: ToAuthority = field(default_factory=ToAuthority)
    features: Features = field(default_factory=Features)
    distribution: Distribution = field(default_factory=Distribution)
    signers: Signers = field(default_factory=Signers)
    observability: ControllerObservability = field(default_factory=ControllerObservability)

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


def _contradictions(settings: ControllerSettings) -> list[str]:
    """What no single setting shows."""
    cluster, features = settings.cluster, settings.features
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
    )
    faults = [fault for wrong, fault in checks if wrong]
    return [*faults, *cluster.name_faults(), *settings.observability.faults()]


def _is_trust_domain(text: str) -> bool:
    try:
        TrustDomain.parse(text)
    except MalformedName:
        return False
    return True
