"""The version document (k8s.io/apimachinery/pkg/version Info)."""

import platform

import orjson

from apiserver.discovery.documents import Document

_KUBERNETES = (1, 36)
"""The Kubernetes release whose API is spoken here: clients compare numbers and leave out what an older server lacks."""


def version_document(program_version: str) -> Document:
    """`program_version` is told as build metadata."""
    major, minor = _KUBERNETES
    document = {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": f"v{major}.{minor}.0+chancery.{program_version}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_machine()}",
    }
    return Document(content_type="application/json", octets=orjson.dumps(document))


def _machine() -> str:
    """As Go calls it."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
