"""Pods, Services, service accounts and namespaces as a cluster has them, in the API server of the tests."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kube.api_server import FakeCluster

KINDS = {
    "v1/pods": "Pod",
    "v1/services": "Service",
    "v1/serviceaccounts": "ServiceAccount",
    "v1/namespaces": "Namespace",
    "v1/events": "Event",
    "coordination.k8s.io/v1/leases": "Lease",
}
_PODS_OF_A_SERVICE = 10
_SERVICES_OF_A_NAMESPACE = 10
_CREATED = "2026-11-29T12:00:00Z"


def fill(cluster: "FakeCluster", pods: int) -> int:
    """Returns how much JSON the pods are."""
    octets = 0
    for number in range(pods):
        namespace, app = place_of(number)
        if number % (_PODS_OF_A_SERVICE * _SERVICES_OF_A_NAMESPACE) == 0:
            cluster.put(
                f"/api/v1/namespaces/{namespace}",
                metadata={"creationTimestamp": _CREATED, "labels": {"chancery.dev/inject": "true"}},
            )
        if number % _PODS_OF_A_SERVICE == 0:
            metadata = {"creationTimestamp": _CREATED, "managedFields": _managed_fields(10)}
            cluster.put(f"/api/v1/namespaces/{namespace}/serviceaccounts/{app}", metadata=dict(metadata))
            spec = {"selector": {"app": app}, "clusterIP": "10.1.0.1", "type": "ClusterIP", "ports": [{"port": 443}]}
            cluster.put(f"/api/v1/namespaces/{namespace}/services/{app}", metadata=dict(metadata), spec=spec)
        octets += len(json.dumps(cluster.put(pod_path(number), **pod(number))))
    return octets


def change_pods(cluster: "FakeCluster", pods: int) -> int:
    """As kubelets do: the status alone. Returns how many."""
    for number in range(pods):
        document = pod(number)
        document["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-29T13:00:00Z"
        cluster.put(pod_path(number), **document)
    return pods


def pod_path(number: int) -> str:
    namespace, app = place_of(number)
    return f"/api/v1/namespaces/{namespace}/pods/{app}-7d4b9c6f5d-{number:05d}"


def place_of(number: int) -> tuple[str, str]:
    service = number // _PODS_OF_A_SERVICE
    return f"team-{service // _SERVICES_OF_A_NAMESPACE:03d}", f"service-{service:04d}"


def pod(number: int) -> dict[str, Any]:
    _, app = place_of(number)
    probe = {"httpGet": {"path": "/healthz", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 10, "timeoutSeconds": 1}
    container = {
        "name": app,
        "image": f"registry.example.com/{app}@sha256:{number:064x}",
        "env": [{"name": f"SETTING_{place}", "value": f"value-{place}-of-{app}"} for place in range(12)],
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "50m", "memory": "128Mi"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [{"name": f"volume-{place}", "mountPath": f"/var/run/volume-{place}"} for place in range(4)],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "metadata": {
            "generateName": f"{app}-7d4b9c6f5d-",
            "creationTimestamp": _CREATED,
            "labels": {
                "app": app,
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/part-of": "shop",
                "pod-template-hash": "7d4b9c6f5d",
            },
            "annotations": {
                "kubectl.kubernetes.io/restartedAt": _CREATED,
                "checksum/config": f"{number:064x}",
                "chancery.dev/injected": "v1-sidecar",
            },
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-7d4b9c6f5d", "controller": True}],
            "managedFields": _managed_fields(60),
        },
        "spec": {
            "serviceAccountName": app,
            "nodeName": f"node-{number % 200:03d}",
            "containers": [container],
            "volumes": [{"name": f"volume-{place}", "emptyDir": {"medium": "Memory"}} for place in range(4)],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
        "status": {
            "phase": "Running",
            "podIP": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": _CREATED} for kind in kinds],
            "containerStatuses": [{"name": app, "ready": True, "restartCount": 0, "imageID": f"sha256:{number:064x}"}],
        },
    }  # fmt: skip


def _managed_fields(fields: int) -> list[dict[str, Any]]:
    owned: dict[str, Any] = {f"f:field-{number}": {".": {}, "f:value": {}} for number in range(fields)}
    return [{"manager": "kube-controller-manager", "operation": "Update", "time": _CREATED, "fieldsV1": owned}]
