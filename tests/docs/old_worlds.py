"""The authorities from which docs/migrate.md leads away: themselves where they can be had, else as they keep their keys."""

import base64
import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.docs.desks import Desk
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.peers.programs import programs_of
from tests.servers.ports import free_port

_SECONDS = 60

CFSSL_CONFIG = """
{"signing": {"default": {"expiry": "720h"}, "profiles": {
  "server": {"usages": ["digital signature", "server auth"], "expiry": "720h"}}}}
"""


def cfssl(desk: Desk) -> None:
    """`root.pem`, `root-key.pem`, and `old.pem`, that cfssl signed."""
    for program in ("cfssl", "cfssljson"):
        desk.give(program, [str(programs_of("cfssl") / program)])
    (desk.directory / "config.json").write_text(CFSSL_CONFIG)
    (desk.directory / "root.json").write_text('{"CN": "Old Root", "key": {"algo": "ecdsa", "size": 256}}')
    (desk.directory / "old.json").write_text(
        '{"CN": "old.example.com", "hosts": ["old.example.com"], "key": {"algo": "ecdsa", "size": 256}}'
    )
    desk.run(
        "cfssl gencert -initca root.json | cfssljson -bare root",
        "cfssl gencert -ca root.pem -ca-key root-key.pem -config config.json -profile server old.json"
        " | cfssljson -bare old",
    )


@contextlib.contextmanager
def step_ca(desk: Desk) -> Iterator[None]:
    """A step-ca that runs, and `old.pem`, that it issued."""
    for program in ("step", "step-ca"):
        desk.give(program, [str(programs_of("step") / program)])
    port = free_port()
    (desk.directory / "password").write_text("of step ca init")
    desk.run(
        f"step ca init --name Old --dns localhost --address 127.0.0.1:{port} --provisioner admin --password-file password"
    )
    with (desk.directory / "step-ca.log").open("w") as log:
        server = subprocess.Popen(
            [programs_of("step") / "step-ca", desk.directory / ".step/config/ca.json", "--password-file", "password"],
            cwd=desk.directory,
            env=desk.variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + _SECONDS
        while desk.run("step ca health", check=False).returncode:
            assert time.monotonic() < deadline, (desk.directory / "step-ca.log").read_text()
            time.sleep(0.2)
        desk.run("step ca certificate old.example.com old.pem old.key --provisioner-password-file password")
        yield
    finally:
        server.terminate()
        server.wait(_SECONDS)


def sec1(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """As Go's x509.MarshalECPrivateKey and cert-manager write it: SEC1, or PKCS#1 of an RSA key."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def secret(cluster: ControlPlane, namespace: str, name: str, kind: str, **data: bytes) -> None:
    """`tls_crt` becomes `tls.crt`."""
    cluster.kubectl("create", "namespace", namespace, check=False)
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "namespace": namespace},
        "data": {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()},
    }
    cluster.kubectl("delete", "secret", name, f"--namespace={namespace}", "--ignore-not-found")
    cluster.kubectl("create", "-f", "-", document=document)
