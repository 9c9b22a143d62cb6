"""Requests and what surrounds them, as the API server shows them; a test changes what it is about."""

import base64
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs.keys import KeyType, PrivateKey, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXTRA = "authentication.kubernetes.io/"
OWN_ID = "spiffe://cluster.local/ns/shop/sa/cart"
Json = dict[str, Any]
_numbers = itertools.count(1)


@cache
def key(key_type: KeyType = KeyType.EC_P256) -> PrivateKey:
    return generate_private_key(key_type)


def csr(subject: SubjectName | None = None, *, key_type: KeyType = KeyType.EC_P256, **names: Any) -> bytes:
    return build_request(key(key_type), subject or SubjectName(), SubjectAlternativeNames.parse(**names))


def der_csr(subject: SubjectName | None = None, *, key_type: KeyType = KeyType.EC_P256, **names: Any) -> bytes:
    request = x509.load_pem_x509_csr(csr(subject, key_type=key_type, **names))
    return request.public_bytes(Encoding.DER)


def ca_csr() -> bytes:
    """Asks to be a CA."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cart.shop.svc")])
    made = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("cart.shop.svc")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(made, hashes.SHA256()).public_bytes(Encoding.PEM)


def encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def uid() -> str:
    return f"00000000-0000-4000-8000-{next(_numbers):012}"


def account_user(namespace: str = "shop", name: str = "cart", *, pod: Mapping[str, Any] | None = None) -> Json:
    """The fields of a request that a service account made, with the token of `pod` where there is one."""
    extra = {} if pod is None else {f"{EXTRA}pod-{of}": [pod["metadata"][of]] for of in ("name", "uid")}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return {"username": f"system:serviceaccount:{namespace}:{name}", "groups": groups, "extra": extra}


def node_user(name: str = "node-1") -> Json:
    return {"username": f"system:node:{name}", "groups": ["system:nodes", "system:authenticated"]}


def person(name: str = "alice") -> Json:
    return {"username": name, "groups": ["system:authenticated"]}


USAGES = {
    "chancery.dev/workload": ["digital signature", "client auth", "server auth"],
    "chancery.dev/serving": ["digital signature", "key encipherment", "server auth"],
    "chancery.dev/client": ["digital signature", "client auth"],
}


def signing_request(
    signer: str, request: bytes | None, user: Json, *, conditions: Any = (), status: Any = None, **spec: Any
) -> Json:
    """A CertificateSigningRequest; `conditions` are the types of those that are True."""
    fields = {"signerName": signer, "usages": USAGES.get(signer, ["client auth"]), **user, **spec}
    if request is not None:
        fields["request"] = encoded(request)
    described = [{"type": one, "status": "True", "reason": "Test", "message": "so it is"} for one in conditions]
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "cart", "uid": uid(), "resourceVersion": "7", "creationTimestamp": "2026-11-21T11:59:00Z"},
        "spec": fields,
        "status": ({"conditions": described} if described else {}) if status is None else status,
    }


def pod(name: str = "cart-1", *, account: str = "cart", node: str = "node-1", **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": uid(), "labels": {"app": "cart"}, **metadata},
        "spec": {"serviceAccountName": account, "nodeName": node},
        "status": {"phase": "Running"},
    }


def service(name: str = "cart", namespace: str = "shop", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "uid": uid()},
        "spec": {"selector": {"app": "cart"}, "clusterIP": "10.0.0.9", "type": "ClusterIP", **spec},
    }


def named(kind: str, name: str, namespace: str = "", **metadata: Any) -> Json:
    """A ServiceAccount or a Node."""
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "uid": uid(), **place, **metadata}}


def placed(*services: Json) -> dict[tuple[str, str], Json]:
    return {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in services}


def pod_request(of: Json, account: Json, node: Json, *, request: bytes | None = None, **spec: Any) -> Json:
    """A PodCertificateRequest as the kubelet of the pod's node makes it; a field that is None is left out."""
    fields = {
        "signerName": "chancery.dev/workload",
        "podName": of["metadata"]["name"],
        "podUID": of["metadata"]["uid"],
        "serviceAccountName": account["metadata"]["name"],
        "serviceAccountUID": account["metadata"]["uid"],
        "nodeName": node["metadata"]["name"],
        "nodeUID": node["metadata"]["uid"],
        "maxExpirationSeconds": 86400,
        "stubPKCS10Request": encoded(der_csr() if request is None else request),
        **spec,
    }
    return {
        "apiVersion": "certificates.k8s.io/v1beta1",
        "kind": "PodCertificateRequest",
        "metadata": {
            "name": "req-1",
            "namespace": "shop",
            "uid": uid(),
            "resourceVersion": "9",
            "creationTimestamp": "2026-11-21T11:59:50Z",
        },
        "spec": {name: value for name, value in fields.items() if value is not None},
        "status": {},
    }


def issuer(kind: str = "Issuer", *, ready: str = "True", **spec: Any) -> Json:
    place = {"namespace": "shop"} if kind == "Issuer" else {}
    return {
        "apiVersion": "chancery.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "internal", "uid": uid(), "generation": 1, "resourceVersion": "3", **place},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "Ready", "message": ""}]},
    }


def issuer_request(
    request: bytes | None,
    *,
    kind: str = "Issuer",
    conditions: Any = ("Approved",),
    user: Json | None = None,
    **spec: Any,
) -> Json:
    """cert-manager's CertificateRequest."""
    fields: Json = {
        "issuerRef": {"group": "chancery.dev", "kind": kind, "name": "internal"},
        "usages": ["digital signature", "key encipherment", "server auth"],
        **(account_user("cert-manager", "cert-manager") if user is None else user),
        **spec,
    }
    if request is not None:
        fields["request"] = encoded(request)
    described = [{"type": one, "status": "True", "reason": "Test", "message": "so it is"} for one in conditions]
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": "cart-1", "namespace": "shop", "uid": uid(), "resourceVersion": "5"},
        "spec": fields,
        "status": {"conditions": described},
    }
