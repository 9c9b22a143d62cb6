"""Certificates and documents of a small cluster at one instant, good unless a test says otherwise."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube.diagnosis.bundles import Bundle
from kube.diagnosis.chains import Served
from kube.diagnosis.reaching import Backing
from kube.diagnosis.targets import ServicePort, Target

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "hook.shop.svc"


@dataclass(frozen=True, kw_only=True)
class Root:
    """A root, and what it signs. Valid from `begins` to `ends`."""

    name: str = "root"
    begins: datetime = NOW - DAY
    ends: datetime = NOW + 1000 * DAY

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def certificate(self) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        return (
            self._builder(self.subject, self.key, self.begins, self.ends)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def base64(self) -> str:
        return base64.b64encode(self.pem).decode()

    @property
    def bundle(self) -> Bundle:
        return Bundle(certificates=(self.certificate,))

    def leaf(
        self, name: str = HOST, *, begins: datetime = NOW - DAY / 24, ends: datetime = NOW + DAY, usage: bool = True
    ) -> x509.Certificate:
        return self._leaf(ec.generate_private_key(ec.SECP256R1()), name, begins, ends, usage=usage)

    def files(self, directory: Path, name: str, *, begins: datetime, ends: datetime) -> tuple[Path, Path]:
        """Certificate and key of a leaf."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = directory / "tls.crt", directory / "tls.key"
        leaf = self._leaf(key, name, begins, ends, usage=True)
        certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private

    def _leaf(
        self, key: ec.EllipticCurvePrivateKey, name: str, begins: datetime, ends: datetime, *, usage: bool
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        builder = self._builder(subject, key, begins, ends).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if usage else ExtendedKeyUsageOID.CLIENT_AUTH
        return builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False).sign(self.key, hashes.SHA256())

    def served(self, *args: Any, **kwargs: Any) -> Served:
        return Served(chain=(self.leaf(*args, **kwargs),))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )


def webhook_target(ca_bundle: Any, **others: Any) -> Target:
    said = {
        "kind": "ValidatingWebhookConfiguration",
        "name": "shop",
        "service": ServicePort(namespace="shop", name="hook", port=443),
        "is_ours": True,
        "failure_policy": "Fail",
    }
    return Target(**{**said, "ca_bundle": ca_bundle, **others})


def backing(**others: Any) -> Backing:
    return Backing(**{"ready": 2, "ports": (8443,), **others})


def workload(kind: str = "Deployment", **status: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "injector"}
    return {
        "kind": kind,
        "metadata": {
            "name": "chancery-injector",
            "namespace": "chancery",
            "uid": "1",
            "generation": 3,
            "labels": {**labels, "app.kubernetes.io/instance": "chancery"},
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"spec": {"volumes": []}}},
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, **status},
    }


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "chancery-injector-0", "labels": {"app.kubernetes.io/component": "injector"}},
        "status": status,
    }
