"""What a user of the cluster brings: a service with a webhook and an API of its own, and a client of it."""

import base64
from typing import Any

from tests.end_to_end.installation import NAMESPACE, REPORTS

SHOP = "shop"
LABEL = {"chancery.dev/inject": "true"}
THINGS = "v1.things.example.com"


def namespace(name: str = SHOP) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def secret(name: str, content: dict[str, str]) -> dict[str, Any]:
    """For the release."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": content}


def deployment(name: str, *, annotations: dict[str, str], port: int = 0) -> dict[str, Any]:
    """Of a program of ours; nothing in it is about certificates but label and annotations."""
    ready = {"readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1}} if port else {}
    container = {
        "name": name,
        "image": name,
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        **ready,
    }
    pod = {
        "metadata": {"labels": {**LABEL, "app": name}, "annotations": annotations},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 2},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": pod}
    metadata = {"name": name, "namespace": SHOP}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def service() -> dict[str, Any]:
    ports = [
        {"name": "https", "port": 443, "targetPort": 8443},
        {"name": "mtls", "port": 8444, "targetPort": 8444},
    ]
    metadata = {"name": "things", "namespace": SHOP}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"app": "things"}, "ports": ports},
    }


def webhook() -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "things", "labels": LABEL},
        "webhooks": [
            {
                "name": "things.example.com",
                "clientConfig": {"service": {"namespace": SHOP, "name": "things"}},
                "rules": [{**rule, "scope": "Namespaced"}],
                "objectSelector": {"matchLabels": {"asked-about": "yes"}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def api_service() -> dict[str, Any]:
    spec = {
        "group": "things.example.com",
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "service": {"namespace": SHOP, "name": "things"},
    }
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": THINGS, "labels": LABEL},
        "spec": spec,
    }


def may_report(*subjects: dict[str, str]) -> dict[str, Any]:
    """In the namespace, by the role that the chart has the cluster's role `edit` include."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reporters", "namespace": SHOP},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": list(subjects),
    }


def report(name: str) -> dict[str, Any]:
    version, _, group = REPORTS.partition(".")
    return {
        "apiVersion": f"{group}/{version}",
        "kind": "PolicyReport",
        "metadata": {"name": name, "namespace": SHOP},
        "results": [{"policy": "p", "result": "pass"}],
    }


def asked_about() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"generateName": "asked-", "labels": {"asked-about": "yes"}},
    }


def labelled_pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABEL},
        "spec": {"containers": [{"name": "idle", "image": "idle"}], "terminationGracePeriodSeconds": 1},
    }


def signing_request(name: str, request: bytes) -> dict[str, Any]:
    """For a Service, by whoever; it waits until somebody approves it."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "signerName": "chancery.dev/serving",
            "request": base64.b64encode(request).decode(),
            "usages": ["server auth", "digital signature"],
        },
    }
