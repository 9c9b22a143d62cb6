"""A CA and a storage API server as a user starts them, with identities that the CA signed, for foreign programs to call."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.servers.ports import free_ports

_COMMAND = (sys.executable, "-m", "cli.main")
_PASSPHRASE = "outsiders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """`directory` holds the identities `development` (system:masters) and `somebody`, each with tls.p12."""

    directory: Path
    url: str
    port: int
    passphrase: str = _PASSPHRASE

    def file(self, *parts: str) -> str:
        return str(self.directory.joinpath(*parts))

    def kubeconfig(self, identity: str) -> Path:
        path = self.directory / f"{identity}.kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
                    "clusters": [
                        {
                            "name": "c",
                            "cluster": {"server": self.url, "certificate-authority": self.file(identity, "ca.crt")},
                        }
                    ],
                    "users": [
                        {
                            "name": "u",
                            "user": {
                                "client-certificate": self.file(identity, "tls.crt"),
                                "client-key": self.file(identity, "tls.key"),
                            },
                        }
                    ],
                }
            )
        )
        return path


@contextlib.contextmanager
def process(arguments: list[str], environment: dict[str, str], until: str, directory: Path) -> Iterator[str]:
    """Runs a server until the end of the block; yields the line that says it is ready, which begins with `until`."""
    with (directory / f"{arguments[0]}.log").open("wb") as log:
        running = subprocess.Popen(
            [*_COMMAND, *arguments], cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert running.stdout is not None
            for line in running.stdout:
                if line.startswith(until):
                    yield line
                    break
            else:
                pytest.fail((directory / f"{arguments[0]}.log").read_text())
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)
            running.stdout.close()


@pytest.fixture(scope="package")
def installation(tmp_path_factory) -> Iterator[Installation]:
    directory = tmp_path_factory.mktemp("outsiders")
    names = ("CHANCERY_GRPC_PORT", "CHANCERY_HTTP_PORT", "CHANCERY_ENROLLMENT_PORT")
    ports = dict(zip(names, map(str, free_ports(3)), strict=True))
    environment = {
        **os.environ,
        **ports,
        "CHANCERY_HOME": str(directory / "home"),
        "CHANCERY_P12_PASSPHRASE": _PASSPHRASE,
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }

    def run(*arguments: str) -> None:
        subprocess.run(
            [*_COMMAND, *arguments], cwd=directory, env=environment, check=True, capture_output=True, timeout=60
        )

    run("init")
    with (
        process(["serve"], environment, "enrollment", directory),
        process(
            ["apiserver", "--secure-port", "0", "--authorization-skip-lookup"], environment, "apiserver", directory
        ) as line,
    ):
        run("sign", "--cn", "development", "--org", "system:masters", "--p12")
        run("sign", "--cn", "somebody", "--p12")
        port = int(line.rpartition(":")[2])
        yield Installation(directory=directory, url=f"https://localhost:{port}", port=port)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: install it to run this test")
    return found
