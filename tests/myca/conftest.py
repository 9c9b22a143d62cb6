"""A server of ours, and clients of myca that talk to it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ca.server import RunningServer, running_server

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class MycaClient:
    """tests/myca/client.py, at work."""

    process: "subprocess.Popen[str]"

    def ask(self, method: str, **request: object) -> Any:
        """The answer. Fails where the call fails."""
        outcome = self.try_to_ask(method, **request)
        assert "answer" in outcome, outcome
        return outcome["answer"]

    def try_to_ask(self, method: str, **request: object) -> dict[str, Any]:
        """The answer, or `code` and `details`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, request]) + "\n")
        self.process.stdin.flush()
        outcome: dict[str, Any] = json.loads(self.process.stdout.readline())
        return outcome


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python code from myca's .proto, as its users generate it."""
    directory = tmp_path_factory.mktemp("generated")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={HERE}"]
    subprocess.run(
        [*command, f"--python_out={directory}", f"--grpc_python_out={directory}", "service.proto"],
        check=True,
        timeout=60,
    )
    return directory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("myca") / "data") as running:
        yield running


@pytest.fixture
def identity(server: RunningServer, tmp_path: Path) -> Path:
    """The administrator's files."""
    return server.write_identity(tmp_path / "identity")


@pytest.fixture
def client(server: RunningServer, generated: Path, identity: Path) -> Iterator[MycaClient]:
    with myca_client(generated, server.grpc_target, str(identity)) as client:
        yield client


@contextlib.contextmanager
def myca_client(generated: Path, target: str, identity: str) -> Iterator[MycaClient]:
    """`identity` is a directory, or "-" for plain text."""
    command = [sys.executable, str(HERE / "client.py"), str(generated), target, identity]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield MycaClient(process=process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
