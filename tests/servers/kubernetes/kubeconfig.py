"""Kubeconfig files: who somebody is to a server, as kubectl and every client library read it."""

from pathlib import Path

import yaml

from tests.servers.kubernetes.pki import CertificateFiles


def kubeconfig_of_certificate(path: Path, *, url: str, ca: Path, files: CertificateFiles) -> Path:
    return _write(path, url, ca, {"client-certificate": str(files.certificate), "client-key": str(files.key)})


def kubeconfig_of_token(path: Path, *, url: str, ca: Path, token: str) -> Path:
    return _write(path, url, ca, {"token": token})


def _write(path: Path, url: str, ca: Path, credentials: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tested", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": "tester", "user": credentials}],
        "contexts": [{"name": "tested", "context": {"cluster": "tested", "user": "tester"}}],
        "current-context": "tested",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document))
    return path
