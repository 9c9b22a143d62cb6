"""Pods as they come to the injector, and what it makes of them."""

import copy
from typing import Any

from apiserver.patches.json_patch import apply_json_patch
from kube.admission.features import ClusterFeatures
from kube.admission.injection import Injected, inject
from kube.admission.settings import Injection

IMAGE = "registry.example/chancery@sha256:" + "0" * 64
INJECTION = Injection(http_server="ca.chancery.svc:8111", image=IMAGE)
OLD = ClusterFeatures(keeps_sidecars=False, keeps_certificates=False, oldest_kubelet=(1, 28))
USUAL = ClusterFeatures(keeps_sidecars=True, keeps_certificates=False, oldest_kubelet=(1, 36))
NEW = ClusterFeatures(keeps_sidecars=True, keeps_certificates=True, oldest_kubelet=(1, 36))


def pod_of(
    *containers: str, annotations: dict[str, str] | None = None, label: str = "true", **spec: Any
) -> dict[str, Any]:
    """`annotations` are named without the domain. With generateName, as most pods have it."""
    metadata: dict[str, Any] = {"generateName": "web-", "labels": {"chancery.dev/inject": label}}
    if annotations is not None:
        metadata["annotations"] = {f"chancery.dev/{name}": value for name, value in annotations.items()}
    named = [{"name": name, "image": "web"} for name in containers or ("web",)]
    return {"metadata": metadata, "spec": {"containers": named, **spec}}


def injected(
    pod: dict[str, Any], *, features: ClusterFeatures | None = USUAL, injection: Injection = INJECTION
) -> Injected:
    before = copy.deepcopy(pod)
    result = inject(pod, namespace="shop", injection=injection, features=features)
    assert pod == before, "the pod that was handed in was changed"
    return result


def patched(pod: dict[str, Any], **options: Any) -> Any:
    """The pod as it would be stored."""
    return apply_json_patch(pod, list(injected(pod, **options).patch))


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    spec = pod["spec"]
    (found,) = [one for one in [*spec.get("initContainers", []), *spec["containers"]] if one["name"] == name]
    return found


def arguments(pod: dict[str, Any], name: str = "chancery-agent") -> list[str]:
    return container(pod, name)["args"]
