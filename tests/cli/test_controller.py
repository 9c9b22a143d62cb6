"""`ca-cli controller` as a process: what it refuses to start with, what it tells a kubelet, and how it ends."""

import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agent.pods import Pod, pod_of
from tests.ca.server import running_server
from tests.cli.program import Program
from tests.kube.ambient import await_until
from tests.kube.api_server import FakeCluster, fake_cluster

LEASE = "/apis/coordination.k8s.io/v1/namespaces/chancery/leases/chancery-controller"
Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path) as running:
        running.kinds["coordination.k8s.io/v1/leases"] = "Lease"
        yield running


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "work").mkdir()
    return Program(home=tmp_path / "home", directory=tmp_path / "work", variables={})


@pytest.fixture
def start(program: Program, fake: FakeCluster) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def begin(*more: str | Path) -> tuple["subprocess.Popen[str]", str]:
        """The process, and the URL of its health."""
        arguments = ("--kubeconfig", fake.kubeconfig, "--namespace", "chancery", "--health-port", "0")
        process = program.start("controller", *arguments, *more)
        processes.append(process)
        assert process.stdout is not None
        announced = re.fullmatch(r"controller +(http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert announced, process.communicate(timeout=60)
        return process, announced[1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate(timeout=60)


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read().decode()


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        (
            ["--workers", "0", "--call-timeout", "2h"],
            ["workers: must be from 1 to 64", "call_timeout: must be from 1s"],
        ),
        (["--no-signing", "--no-injection", "--no-trust", "--no-pods"], ["there would be nothing to do"]),
        (["--health-port", "70000"], ["health_port: 70000 is out of range"]),
        (["--log-level", "loud"], ["log_level: must be"]),
        (["--kubeconfig", "absent"], ["kubeconfig absent"]),
        (["--kubeconfig", "absent", "--server", "a b:c"], ["a b"]),
        ([], ["this process is in no pod"]),
    ],
)
def test_settings_that_cannot_be_meant_stop_the_start(program: Program, arguments: list[str], faults: list[str]):
    outcome = program("controller", "--namespace", "chancery", *arguments)

    assert outcome.status in {6, 7}, outcome
    for fault in faults:
        assert fault in outcome.errors


def test_namespace_has_to_be_said_outside_of_a_pod(program: Program, fake: FakeCluster):
    outcome = program("controller", "--kubeconfig", fake.kubeconfig)

    assert outcome.status == 7
    assert "give --namespace" in outcome.errors


def test_process_leads_is_ready_without_its_authority_and_gives_the_lease_back(start: Start, fake: FakeCluster):
    process, url = start("--server", "localhost:1", "--identity", "nowhere")
    await_until(lambda: ask(f"{url}/readyz") == (200, "ok\n"), "readiness")
    await_until(lambda: "chancery_kube_leading 1.0" in ask(f"{url}/metrics")[1], "leading")
    assert ask(f"{url}/livez") == (200, "ok\n")
    assert ask(f"{url}/healthz")[0] == 404
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    assert fake.objects[LEASE]["spec"]["holderIdentity"] == ""
    assert "Traceback" not in errors


def test_cluster_that_does_not_answer_makes_it_alive_and_not_ready(start: Start, fake: FakeCluster):
    from tests.kube.api_server import Fault

    fake.faults = [Fault(fits=lambda _: True, act=lambda handler: handler.refuse(503, "", "away"), times=10**6)]
    process, url = start("--server", "localhost:1", "--identity", "nowhere")

    assert ask(f"{url}/livez") == (200, "ok\n")
    status, text = ask(f"{url}/readyz")
    assert (status, "not listed yet" in text) == (503, True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_identity_is_had_with_a_token_and_kept_by_the_process_itself(start: Start, tmp_path: Path):
    with running_server(tmp_path / "ca") as server:
        pod: Pod = pod_of(server, tmp_path)
        authority = server.url.removeprefix("https://")
        start(
            *("--http-server", authority, "--server", server.grpc_target, "--identity", pod.directory),
            *("--token-file", pod.token_file, "--bootstrap", pod.bootstrap),
        )
        await_until((pod.directory / "tls.crt").exists, "the certificate")

        assert (pod.directory / "tls.key").stat().st_mode & 0o777 == 0o400
