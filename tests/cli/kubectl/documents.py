"""Pods and kubeconfigs as tests write them."""

from pathlib import Path
from typing import Any

import yaml


def pod(name: str, *, namespace: str = "chancery", instance: str = "chancery", **status: Any) -> dict[str, Any]:
    """Ready, unless `status` says something else."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/instance": instance}},
        "spec": {"containers": [{"name": "ca"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **status},
    }


def kubeconfig(path: Path, **document: Any) -> Path:
    """With one context `one`, in namespace `shop`, and whatever `document` puts in its place."""
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one", "namespace": "shop"}}],
        "clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "one", "user": {"token": "secret"}}],
        **document,
    }
    path.write_text(yaml.safe_dump({name: value for name, value in whole.items() if value is not None}))
    return path
