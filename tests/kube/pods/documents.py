"""Documents as an API server sends them, with what a test says of them."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

_versions = itertools.count(1)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def metadata(name: str, namespace: str | None = "shop", created: datetime = NOON, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        **({} if namespace is None else {"namespace": namespace}),
        "uid": str(uuid.uuid4()),
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": at(created),
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:metadata": {}}}],
        **fields,
    }


def pod(name: str = "web-0", *, spec: Any = None, phase: str = "Running", **fields: Any) -> dict[str, Any]:
    """Labelled `app: web`, opted in, on a node, a minute old."""
    fields.setdefault("labels", {"app": "web", "chancery.dev/inject": "true"})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, **fields),
        "spec": {
            "serviceAccountName": "web",
            "nodeName": "node-1",
            "containers": [{"name": "web", "image": "web", "env": [{"name": "A", "value": "b"}]}],
            **(spec or {}),
        },
        "status": {"phase": phase, "podIP": "10.0.0.1"},
    }


def service(name: str = "web", *, selector: Any = None, spec: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, **fields),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.1.0.1",
            "selector": {"app": "web"} if selector is None else selector,
            "ports": [{"port": 443}],
            **(spec or {}),
        },
    }


def headless(name: str = "web", **fields: Any) -> dict[str, Any]:
    return service(name, spec={"clusterIP": "None"}, **fields)


def account(name: str = "web", *, age: timedelta = timedelta(days=1), **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(name, created=NOON - age, **fields),
        "secrets": [{"name": "web-token"}],
    }


def namespace(name: str = "shop", *, opted_in: bool = False, **fields: Any) -> dict[str, Any]:
    labels = {"kubernetes.io/metadata.name": name, **({"chancery.dev/inject": "true"} if opted_in else {})}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": metadata(name, None, labels=labels, **fields),
        "status": {"phase": "Active"},
    }
