"""What `ca-cli injector` can be told: every setting with its unit, its default and what follows from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from kube.admission.names import Mode
from kube.errors import KubeSettingsInvalid
from kube.shared_settings import HEALTH_PORT, NamesOfServices, Observability, OwnIdentity, namespace_of_the_pod
from kube.vocabulary import Signer
from serving.settings import build, setting

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_QUANTITY = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3})?(?:m|k|M|G|Ki|Mi|Gi)?")


class TrustSource(StrEnum):
    """Where the kubelet takes the roots from that a pod starts with."""

    CONFIG_MAP = "configMap"
    CLUSTER_TRUST_BUNDLE = "clusterTrustBundle"


_MODES = ("auto", *Mode)
_PULL_POLICIES = ("", "Always", "IfNotPresent", "Never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where the webhook listens, and by which name it is called."""

    bind_address: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0` or `::` for all.")
    webhook_port: int = setting(8115, "HTTPS port that the API server calls. 0: any free port.")
    service: str = setting(
        "chancery-injector",
        "Service that the webhook configurations name; with the namespace it makes the name that is served.",
    )
    namespace: str = setting("", "Namespace of the Service, in which nothing is ever injected. Empty: that of the pod.")
    webhook_configurations: tuple[str, ...] = setting(
        ("chancery-injector-pods", "chancery-injector-namespaces"),
        "MutatingWebhookConfigurations that call this; readiness looks whether their caBundle believes it.",
    )
    shutdown_delay: timedelta = setting(
        timedelta(seconds=5), "How long to go on answering, not ready any more, once the process is told to stop."
    )
    shutdown_grace: timedelta = setting(timedelta(seconds=5), "How long requests under way may take after that.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection(NamesOfServices):
    """What is put into pods."""

    http_server: str = setting(
        "chancery.chancery.svc:8111",
        "The authority's HTTPS port, HOST:PORT, for the agents and for the injector itself.",
    )
    image: str = setting("", "Image of the agent, best with its digest; it must be named.")
    image_pull_policy: str = setting(
        "", "`Always`, `IfNotPresent` or `Never`. Empty: the cluster's rule.", choices=_PULL_POLICIES
    )
    mode: str = setting(
        "auto",
        "Mode of pods that ask for none: `podCertificate`, `sidecar`, `init`, or `auto`: the first that the cluster can do.",
        choices=_MODES,
    )
    audience: str = setting("chancery.dev", "Audience of the tokens that pods enroll with; the authority's.")
    signer: str = setting(Signer.WORKLOAD.value, "Signer that the kubelet asks, in the mode podCertificate.")
    trust_source: TrustSource = setting(
        TrustSource.CONFIG_MAP,
        "Where pods have their first roots from: `configMap`, in their namespace, or `clusterTrustBundle`, those of the signer.",
    )
    trust_config_map: str = setting("chancery-roots", "ConfigMap with the roots, key ca.crt, in the pod's namespace.")
    agent_user: int | None = setting(
        65532, "User of agents in pods that name none. Empty: the cluster's choice, as on OpenShift."
    )
    agent_cpu_request: str = setting("5m", "CPU that an agent requests.")
    agent_memory_request: str = setting("48Mi", "Memory that an agent requests.")
    agent_memory_limit: str = setting("96Mi", "Memory at which an agent is ended.")
    agent_cpu_limit: str = setting(
        "", "CPU that an agent may use at most; for quotas that ask for it. Empty: no limit."
    )
    host_network: bool = setting(
        False,
        "Inject pods of the host's network too. Otherwise they are refused, or left alone where only the namespace asks.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Which cluster."""

    kubeconfig: Path | None = setting(
        None, "Kubeconfig of the cluster. Empty: the service account of the pod that this runs in."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectorObservability(Observability):
    health_port: int = setting(8116, HEALTH_PORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectorSettings:
    serving: Serving = field(default_factory=Serving)
    authority: OwnIdentity = field(default_factory=OwnIdentity)
    injection: Injection = field(default_factory=Injection)
    delegation: Delegation = field(default_factory=Delegation)
    observability: InjectorObservability = field(default_factory=InjectorObservability)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> "InjectorSettings":
        """From flat names to values. Raises KubeSettingsInvalid with every fault."""
        settings, faults = build(cls, values)
        faults += [*_injection_faults(settings.injection), *_other_faults(settings)]
        if faults:
            raise KubeSettingsInvalid(faults)
        return settings

    @property
    def namespace(self) -> str:
        """Raises KubeSettingsInvalid where nobody says it."""
        return self.serving.namespace or namespace_of_the_pod()

    @property
    def server_name(self) -> str:
        """What the API server expects the serving certificate to be for. Raises KubeSettingsInvalid."""
        return f"{self.serving.service}.{self.namespace}.svc"


def fixed_mode(injection: Injection) -> Mode | None:
    """None for `auto`."""
    return None if injection.mode == "auto" else Mode(injection.mode)


def _injection_faults(injection: Injection) -> list[str]:
    faults = []
    if _ADDRESS.fullmatch(injection.http_server) is None:
        faults.append("http_server: name the authority, like chancery.chancery.svc:8111")
    if not injection.image or not injection.image.isprintable() or " " in injection.image:
        faults.append("image: name the agent's image, like registry.example/chancery@sha256:…")
    if injection.image_pull_policy not in _PULL_POLICIES:
        faults.append("image_pull_policy: choose from Always, IfNotPresent, Never")
    if injection.mode not in _MODES:
        faults.append(f"mode: choose from auto, {', '.join(Mode)}")
    faults += injection.name_faults()
    for name in ("agent_cpu_request", "agent_memory_request", "agent_memory_limit", "agent_cpu_limit"):
        quantity = getattr(injection, name)
        if not _QUANTITY.fullmatch(quantity) and (quantity or name != "agent_cpu_limit"):
            faults.append(f"{name}: {quantity!r} is no quantity; write it like 5m or 48Mi")
    return faults


def _other_faults(settings: InjectorSettings) -> list[str]:
    serving, observability = settings.serving, settings.observability
    faults = [
        f"{name}: {text!r} cannot be the name of one"
        for name, text in (("service", serving.service), ("namespace", serving.namespace))
        if _LABEL.fullmatch(text) is None and (text or name == "service")
    ]
    if serving.webhook_port > 65535:
        faults.append(f"webhook_port: {serving.webhook_port} is out of range")
    if serving.webhook_port == observability.health_port != 0:
        faults.append("health_port: must differ from webhook_port")
    return [*faults, *observability.faults()]
