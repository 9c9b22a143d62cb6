"""The volumes and containers that are added to a pod, as documents."""

from datetime import timedelta

from agent.formats import Format
from certs.lifetimes import format_lifetime
from kube.admission.names import (
    AGENT_CONTAINER,
    BOOTSTRAP_DIRECTORY,
    BOOTSTRAP_VOLUME,
    FIRST_CONTAINER,
    IDENTITY_DIRECTORY,
    IDENTITY_VOLUME,
)
from kube.admission.settings import Injection, TrustSource
from kube.admission.wishes import DEFAULT_KEY_MODE, SignalReload, Wishes
from kube.documents import JsonObject
from kube.vocabulary import LIVE_LABEL

READABLE_BY_ALL = 0o644
"""Projected files are the agent's alone where all containers have one user; elsewhere this lets it read its own token."""

_API_TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a directory
"""The API server mounts the pod's own token here, in each container that has nothing at this path. The agent needs none."""

_TOKEN_SECONDS = 3600
_DEFAULT_CERTIFICATE = timedelta(hours=24)
_PATIENCE_OF_POD_THAT_IS_NOT_RESTARTED = "10m"


def memory_volume() -> JsonObject:
    return {"name": IDENTITY_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}


def bootstrap_volume(injection: Injection) -> JsonObject:
    token: JsonObject = {
        "audience": injection.audience,
        "expirationSeconds": _TOKEN_SECONDS,
        "path": "token",
    }
    return {
        "name": BOOTSTRAP_VOLUME,
        "projected": {
            "defaultMode": READABLE_BY_ALL,
            "sources": [{"serviceAccountToken": token}, roots_source(injection)],
        },
    }


def certificate_volume(injection: Injection, wishes: Wishes) -> JsonObject:
    """A kubelet fills it; it needs no agent."""
    seconds = int((wishes.duration or _DEFAULT_CERTIFICATE).total_seconds())
    certificate: JsonObject = {
        "signerName": injection.signer,
        "keyType": "ECDSAP256",
        "maxExpirationSeconds": seconds,
        "keyPath": "tls.key",
        "certificateChainPath": "tls.crt",
    }
    if Format.BUNDLE in wishes.formats:
        certificate["credentialBundlePath"] = "bundle.pem"
    return {
        "name": IDENTITY_VOLUME,
        "projected": {
            "defaultMode": READABLE_BY_ALL,
            "sources": [{"podCertificate": certificate}, roots_source(injection)],
        },
    }


def roots_source(injection: Injection) -> JsonObject:
    if injection.trust_source is TrustSource.CLUSTER_TRUST_BUNDLE:
        selector: JsonObject = {"matchLabels": {LIVE_LABEL: "true"}}
        bundle: JsonObject = {"signerName": injection.signer, "labelSelector": selector, "path": "ca.crt"}
        return {"clusterTrustBundle": bundle}
    return {"configMap": {"name": injection.trust_config_map, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}


def identity_mount(directory: str) -> JsonObject:
    return {"name": IDENTITY_VOLUME, "mountPath": directory, "readOnly": True}


def native_sidecar(injection: Injection, wishes: Wishes, user: int | None) -> JsonObject:
    """An init container that goes on running: the others start once it is ready."""
    container = plain_sidecar(injection, wishes, user)
    ready: JsonObject = {"command": ["ca-cli", "agent", "ready"]}
    container["restartPolicy"] = "Always"
    container["startupProbe"] = {"exec": ready, "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 120}
    return container


def plain_sidecar(injection: Injection, wishes: Wishes, user: int | None) -> JsonObject:
    container = _agent(AGENT_CONTAINER, injection, [*_arguments(injection, wishes), *_reload(wishes)], user)
    alive: JsonObject = {"command": ["ca-cli", "agent", "live"]}
    container["livenessProbe"] = {"exec": alive, "periodSeconds": 60, "timeoutSeconds": 5}
    return container


def first_container(injection: Injection, wishes: Wishes, user: int | None, *, is_restarted: bool) -> JsonObject:
    """An init container that ends with a certificate in place."""
    patience = [] if is_restarted else [f"--patience={_PATIENCE_OF_POD_THAT_IS_NOT_RESTARTED}"]
    return _agent(FIRST_CONTAINER, injection, [*_arguments(injection, wishes), "--once", *patience], user)


def _arguments(injection: Injection, wishes: Wishes) -> list[str]:
    key_mode = DEFAULT_KEY_MODE if wishes.key_mode is None else wishes.key_mode
    return [
        "agent",
        f"--server=https://{injection.http_server}",
        f"--key-mode={key_mode:04o}",
        f"--formats={','.join(sorted(wishes.formats))}",
        *([f"--ttl={format_lifetime(wishes.duration)}"] if wishes.duration is not None else []),
        *(f"--dns={name}" for name in wishes.dns),
    ]


def _reload(wishes: Wishes) -> list[str]:
    match wishes.reload:
        case None:
            return []
        case SignalReload(signal_name=name, container=container):
            return [f"--reload=signal:{name}:container={container}"]
        case url:
            return [f"--reload={url}"]


def _agent(name: str, injection: Injection, arguments: list[str], user: int | None) -> JsonObject:
    limits: JsonObject = {"memory": injection.agent_memory_limit}
    if injection.agent_cpu_limit:
        limits["cpu"] = injection.agent_cpu_limit
    container: JsonObject = {
        "name": name,
        "image": injection.image,
        "args": [*arguments],
        "volumeMounts": [
            {"name": IDENTITY_VOLUME, "mountPath": IDENTITY_DIRECTORY},
            {"name": BOOTSTRAP_VOLUME, "mountPath": BOOTSTRAP_DIRECTORY, "readOnly": True},
            {"name": BOOTSTRAP_VOLUME, "mountPath": _API_TOKEN_DIRECTORY, "readOnly": True},
        ],
        "resources": {
            "requests": {"cpu": injection.agent_cpu_request, "memory": injection.agent_memory_request},
            "limits": limits,
        },
        "securityContext": _security_context(user),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if injection.image_pull_policy:
        container["imagePullPolicy"] = injection.image_pull_policy
    return container


def _security_context(user: int | None) -> JsonObject:
    """What the restricted Pod Security Standard asks for; a pod that runs as root has an agent that does, without its powers."""
    context: JsonObject = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
        "runAsNonRoot": user != 0,
    }
    if user is not None:
        context["runAsUser"] = user
    return context
