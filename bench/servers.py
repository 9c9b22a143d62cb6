"""The servers under load: ca-cli as a user starts it, and the comparison server in Go; loopback, temporary directories."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.cpu import pin
from bench.material import leaf_template, make_material, p256_key
from certs.issuers import Issuer
from certs.keys import encode_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.requests import CertificateRequest, build_request
from certs.signing import Signer

COMPARISON = Path(__file__).with_name("comparison")
START_SECONDS = 30.0


class ServerFailed(Exception):
    """A server did not come up; the message ends with what it last wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """`identity` is a client identity that it accepts: a directory with tls.crt, tls.key and ca.crt."""

    name: str
    pid: int
    target: str
    identity: Path
    start_seconds: float
    url: str = ""
    enrollment_target: str = ""


def command_line() -> str | None:
    """The ca-cli of this Python's environment."""
    beside = Path(sys.executable).with_name("ca-cli")
    return str(beside) if beside.exists() else shutil.which("ca-cli")


@contextlib.contextmanager
def authority(
    program: str,
    directory: Path,
    *,
    core: int | None,
    environment: Mapping[str, str] | None = None,
    beside: RunningServer | None = None,
) -> Iterator[RunningServer]:
    """`ca-cli init` and `ca-cli serve` in a home of their own, stopped gracefully at the end. Raises ServerFailed.

    `beside` is another replica, whose authority, in a database that `environment` names, is this one's, too.
    """
    home = directory / "home"
    variables = {**os.environ, **(environment or {}), "CHANCERY_HOME": str(home)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
    variables["PYTHONPYCACHEPREFIX"] = str(directory.parent / "bytecode")
    if beside is None:
        initialised = subprocess.run(
            [program, "init"], check=False, env=variables, capture_output=True, text=True, timeout=60
        )
        if initialised.returncode != 0:
            raise ServerFailed(f"ca-cli init failed: {initialised.stderr[-2000:]}")
    grpc_port, http_port, enrollment_port = _free_ports(3)
    arguments = ["--grpc-port", grpc_port, "--http-port", http_port, "--enrollment-port", enrollment_port]
    with (directory / "log").open("w+b") as log:
        started = time.perf_counter()
        with _process([program, "serve", *map(str, arguments)], variables, core, log) as process:
            _await_port(process, enrollment_port, log)
            yield RunningServer(
                name="chancery",
                pid=process.pid,
                target=f"127.0.0.1:{grpc_port}",
                identity=home / "identity" if beside is None else beside.identity,
                start_seconds=time.perf_counter() - started,
                url=f"https://127.0.0.1:{http_port}",
                enrollment_target=f"127.0.0.1:{enrollment_port}",
            )


@contextlib.contextmanager
def comparison(directory: Path, *, core: int | None) -> Iterator[RunningServer | str]:
    """The Go server on one core, or why there is none."""
    toolchain = shutil.which("go")
    if toolchain is None:
        yield "no Go toolchain"
        return
    program = directory / "comparison"
    built = subprocess.run(
        [toolchain, "build", "-o", program, "."],
        check=False,
        cwd=COMPARISON,
        capture_output=True,
        text=True,
        timeout=180,
    )
    if built.returncode != 0:
        yield f"the Go server does not build: {built.stderr[-200:]}"
        return
    _write_comparison_identities(directory)
    with (directory / "log").open("w+b") as log:
        variables = {**os.environ, "GOMAXPROCS": "1"}
        started = time.perf_counter()
        with _process([str(program), "-directory", str(directory)], variables, core, log, piped=True) as process:
            assert process.stdout is not None
            port = int(process.stdout.readline() or 0)
            yield RunningServer(
                name="go",
                pid=process.pid,
                target=f"127.0.0.1:{port}",
                identity=directory / "identity",
                start_seconds=time.perf_counter() - started,
            )


@contextlib.contextmanager
def _process(
    arguments: list[str], variables: Mapping[str, str], core: int | None, log: IO[bytes], *, piped: bool = False
) -> Iterator["subprocess.Popen[bytes]"]:
    output = subprocess.PIPE if piped else log
    with subprocess.Popen(arguments, env=variables, stdout=output, stderr=log) as process:
        pin(process.pid, core)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_port(process: "subprocess.Popen[bytes]", port: int, log: IO[bytes]) -> None:
    deadline = time.perf_counter() + START_SECONDS
    while process.poll() is None and time.perf_counter() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    log.seek(0)
    raise ServerFailed(f"ca-cli serve did not start: {log.read().decode(errors='replace')[-2000:]}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def _write_comparison_identities(directory: Path) -> None:
    issuer = make_material(requests=0).issuer
    (directory / "identity").mkdir()
    root = issuer.chain[-1].public_bytes(Encoding.PEM)
    _write_leaf(issuer, directory / "server.crt", directory / "server.key", "server")
    _write_leaf(issuer, directory / "identity/tls.crt", directory / "identity/tls.key", "client")
    for name in ("clients.crt", "identity/ca.crt"):
        (directory / name).write_bytes(root)
    (directory / "issuer.crt").write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    _write_key(directory / "issuer.key", encode_private_key(issuer.private_key))


def _write_leaf(issuer: Issuer, certificate: Path, private_key: Path, profile: str) -> None:
    key = p256_key()
    names = SubjectAlternativeNames(dns=("localhost",), ips=(IPv4Address("127.0.0.1"),))
    request = CertificateRequest.from_bytes(build_request(key, SubjectName(common_name="bench"), names))
    template = leaf_template(request, issuer, datetime.now(UTC), profile=PROFILES[profile])
    leaf = x509.load_der_x509_certificate(Signer(issuer).sign(template))
    chain = (leaf, issuer.certificate)
    certificate.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain))
    _write_key(private_key, encode_private_key(key))


def _write_key(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
