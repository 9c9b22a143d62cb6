"""`ca-cli apiserver` as a process of its own, for tests that kill it, starve it or tell it to stop."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.apiserver.client import ApiClient

_STOP_SECONDS = 40


@dataclass(slots=True, kw_only=True)
class ServingApi:
    """`home` holds everything it writes; certificates are an outsider's."""

    home: Path
    ca: trustme.CA = field(default_factory=trustme.CA)
    url: str = ""
    _process: "subprocess.Popen[str] | None" = None
    _clients: list[ApiClient] = field(default_factory=list)

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def data_directory(self) -> Path:
        return self.home / "apiserver"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def start(self) -> None:
        """Returns once it listens."""
        self.home.mkdir(exist_ok=True)
        certificate = self.ca.issue_cert("localhost", "127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(self.home / "tls.crt")
        certificate.private_key_pem.write_to_path(self.home / "tls.key")
        self.ca.cert_pem.write_to_path(self.home / "ca.crt")
        files = {"tls-cert-file": "tls.crt", "tls-private-key-file": "tls.key", "client-ca-file": "ca.crt"}
        arguments = [text for name, file in files.items() for text in (f"--{name}", str(self.home / file))]
        with (self.home / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "cli.main", "apiserver", "--secure-port", "0"),
                    *("--authorization-skip-lookup", "--data-directory", str(self.data_directory)),
                    *arguments,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "CHANCERY_HOME": str(self.home)},
            )
        assert self.process.stdout is not None
        while not (line := self.process.stdout.readline()).startswith("apiserver"):
            assert line, f"the server ended with {self.process.wait()}: {self.log[-2000:]}"
        self.url = f"https://localhost:{line.rpartition(':')[2].strip()}"

    def client(self) -> ApiClient:
        """As a member of system:masters."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        self.ca.issue_cert(common_name="development", organization_name="system:masters").configure_cert(context)
        client = ApiClient(self.url, context)
        self._clients.append(client)
        return client

    def kill(self) -> None:
        """As a machine that loses power would: nothing is flushed."""
        self.process.kill()
        self._wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self._process is not None:
            self.kill()

    def _wait(self) -> int:
        code = self.process.wait(_STOP_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@contextlib.contextmanager
def serving_api(home: Path) -> Iterator[ServingApi]:
    server = ServingApi(home=home)
    try:
        server.start()
        yield server
    finally:
        server.close()
