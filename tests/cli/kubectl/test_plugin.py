"""`kubectl chancery`, run by kubectl, over a real API server, in the pod of a real authority."""

import contextlib
import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.kubectl.conftest import Cluster
from tests.servers.kubernetes.exec_kubelet import FakeContainer, environment_of
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

SEE_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
EXEC = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]}


def played(script: str, directory: Path) -> FakeContainer:
    """A container whose `ca-cli` is that shell script; `$@` is what it was asked."""
    (directory / "ca-cli").write_text(f"#!/bin/sh\n{script}\n")
    return FakeContainer(
        programs={"ca-cli": ("/bin/sh", str(directory / "ca-cli"))}, environment=environment_of(), directory=directory
    )


def _resident(pid: int) -> int:
    """Octets; 0 for a process that is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def at_a_terminal(cluster: Cluster, typed: str, *arguments: str) -> tuple[int, str]:
    """Its status, and all that the terminal showed."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [cluster.plane.binaries.path("kubectl"), "chancery", *arguments],
        env=cluster.environment(cluster.plane.admin_kubeconfig) | {"TERM": "dumb"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    os.write(ours, typed.encode())
    shown = bytearray()
    with contextlib.suppress(OSError):  # Linux has it for the end of a terminal
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    return process.wait(60), shown.decode()


def test_list_comes_out_of_the_pod_as_json_in_a_pipe(cluster: Cluster, namespace: str) -> None:
    found = cluster.document("list", "--namespace", namespace)

    assert {one["profile"] for one in found} >= {"client", "server"}


def test_certificate_is_inspected_and_revoked_and_audit_names_who_asked(cluster: Cluster, namespace: str) -> None:
    alice = cluster.user("alice", namespace, SEE_PODS, EXEC)
    (newest,) = cluster.document("list", "-n", namespace, "--limit", "1")

    (leaf, *_) = cluster.document("inspect", newest["id"], "-n", namespace)
    (revoked,) = cluster.document("revoke", newest["id"], "--yes", "-n", namespace, kubeconfig=alice)
    listed = cluster.document("list", "-n", namespace, "--state", "revoked")

    assert "kubectl:admin" in leaf["subject"]
    assert revoked["id"] == newest["id"]
    assert newest["id"] in {one["id"] for one in listed}
    words = cluster.kubelet.asked[-2]
    assert words == [
        "ca-cli",
        "revoke",
        "--yes",
        "--output=json",
        "--local-administrator=kubectl:alice",
        "--",
        newest["id"],
    ]


def test_status_shows_both_sides(cluster: Cluster, namespace: str) -> None:
    status = cluster.document("status", "-n", namespace)
    plain = cluster.run("status", "-n", namespace, "--output", "plain")

    assert status["authority"]["trust_domain"] == "cluster.local"
    assert status["cluster"]
    assert "trust domain:" in plain.stdout
    assert "TARGET" in plain.stdout


def test_rotation_is_begun_and_shown(cluster: Cluster, namespace: str) -> None:
    refused = cluster.run("rotate", "issuer", "--emergency", "-n", namespace)
    begun = cluster.document("rotate", "issuer", "-n", namespace)
    shown = cluster.document("rotate", "issuer", "--status", "-n", namespace)

    assert refused.returncode == 7
    assert "say --yes" in refused.stderr
    assert begun["rotation"]["id"] == shown["rotation"]["id"]
    assert cluster.kubelet.asked[-1][1:4] == ["rotate", "--status", "--output=json"]


def test_whoever_sits_at_a_terminal_is_asked_and_shown_columns(cluster: Cluster, namespace: str) -> None:
    (newest,) = cluster.document("list", "-n", namespace, "--limit", "1")

    kept = at_a_terminal(cluster, "n\n", "revoke", newest["id"], "-n", namespace)
    gone = at_a_terminal(cluster, "y\n", "revoke", newest["id"], "-n", namespace)

    assert kept[0] == 7, kept
    assert f"{newest['id']}  CN=kubectl:admin" in kept[1]
    assert "nothing was revoked" in kept[1]
    assert gone[0] == 0
    assert "REQUESTER" in gone[1]
    assert "revoked" in gone[1]


def test_exit_statuses_and_errors_are_those_of_the_command_in_the_pod(cluster: Cluster, namespace: str) -> None:
    missing = cluster.run("inspect", "0" * 32, "-n", namespace)
    unasked = cluster.run("revoke", "0" * 32, "-n", namespace)

    assert missing.returncode == 3
    assert missing.stderr.startswith("ca-cli: error: ")
    assert missing.stdout == ""
    assert unasked.returncode == 3


def test_authority_is_found_by_its_labels_in_whatever_namespace(cluster: Cluster, served: FakeContainer) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "alone-ca-0", served, instance=namespace)

    found = cluster.document("list", "--selector", f"app.kubernetes.io/instance={namespace}", "--limit", "1")

    cluster.delete_pod(namespace, "alone-ca-0")
    assert len(found) == 1


def test_where_one_may_not_look_everywhere_the_contexts_namespace_counts(cluster: Cluster, namespace: str) -> None:
    bob = cluster.user("bob", namespace, SEE_PODS, EXEC)
    lost = cluster.run("list", kubeconfig=bob)
    cluster.plane.kubectl("config", "set-context", "--current", f"--namespace={namespace}", kubeconfig=bob)

    found = cluster.run("list", kubeconfig=bob)

    assert lost.returncode == 4
    assert 'User "bob" cannot list resource "pods"' in lost.stderr
    assert found.returncode == 0, found


def test_without_the_right_to_exec_the_api_server_refuses(cluster: Cluster, namespace: str) -> None:
    carol = cluster.user("carol", namespace, SEE_PODS)
    asked = len(cluster.kubelet.asked)

    outcome = cluster.run("revoke", "0" * 32, "--yes", "-n", namespace, kubeconfig=carol)

    assert outcome.returncode == 4
    assert 'User "carol" cannot' in outcome.stderr
    assert "pods/exec" in outcome.stderr
    assert len(outcome.stderr.splitlines()) <= 2
    assert len(cluster.kubelet.asked) == asked


def test_of_two_pods_one_that_is_ready_is_asked(cluster: Cluster, namespace: str) -> None:
    not_ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    cluster.new_pod(namespace, "a-first", None, condition=not_ready)

    assert cluster.document("list", "-n", namespace)


def test_two_authorities_are_told_apart_by_hand(cluster: Cluster, namespace: str) -> None:
    cluster.new_pod(namespace, "other-ca-0", None, instance="other")

    both = cluster.run("list", "-n", namespace)
    labels = "app.kubernetes.io/component=ca,app.kubernetes.io/instance=sample"
    chosen = cluster.run("list", "-n", namespace, "--selector", labels)

    assert both.returncode == 6
    assert f"other in {namespace}, sample in {namespace}" in both.stderr
    assert "hint: choose one with --selector" in both.stderr
    assert chosen.returncode == 0, chosen


def test_pod_that_is_not_ready_is_told_with_its_reason(cluster: Cluster, served: FakeContainer) -> None:
    namespace = cluster.new_namespace()
    not_ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    cluster.new_pod(namespace, "sample-ca-0", served, condition=not_ready)

    outcome = cluster.run("list", "-n", namespace)
    status = cluster.run("status", "-n", namespace)

    assert outcome.returncode == status.returncode == 5
    assert f"{namespace}/sample-ca-0 is Running (ContainersNotReady)" in outcome.stderr
    assert json.loads(status.stdout)["authority"] is None
    assert json.loads(status.stdout)["cluster"]
    cluster.delete_pod(namespace, "sample-ca-0")


def test_sidecar_in_front_of_the_authority_is_not_asked(cluster: Cluster, served: FakeContainer) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", served, containers=("mesh-proxy", "ca"))

    assert cluster.document("list", "-n", namespace)
    cluster.delete_pod(namespace, "sample-ca-0")


def test_no_authority_is_no_such_thing(cluster: Cluster) -> None:
    namespace = cluster.new_namespace()

    outcome = cluster.run("list", "-n", namespace)

    assert outcome.returncode == 3
    assert f"there is no authority in namespace {namespace}" in outcome.stderr


def test_pod_that_is_gone_at_the_kubelet_is_told(cluster: Cluster) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", None)

    outcome = cluster.run("list", "-n", namespace)

    assert outcome.returncode == 3
    assert f"container not found: {namespace}/sample-ca-0/ca" in outcome.stderr
    cluster.delete_pod(namespace, "sample-ca-0")


def test_pod_that_dies_in_the_middle_is_told_and_its_output_shown(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", played("echo begun; sleep 60", tmp_path))
    cluster.kubelet.vanishes_after = 1
    try:
        outcome = cluster.run("list", "-n", namespace)
    finally:
        cluster.kubelet.vanishes_after = None
        cluster.delete_pod(namespace, "sample-ca-0")

    assert outcome.returncode == 5
    assert outcome.stdout == "begun\n"
    assert "ended before the command did; it may have been done all the same" in outcome.stderr


def test_watch_goes_on_in_the_pod_after_what_was_shown(cluster: Cluster, tmp_path: Path) -> None:
    script = """
case "$*" in
  *--resume-cursor=7*) echo second; exit 0 ;;
  *) echo first; printf '\\0367\\n' >&2; echo notice >&2; exit 137 ;;
esac"""
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", played(script, tmp_path))

    outcome = cluster.run("list", "--watch", "-n", namespace)

    cluster.delete_pod(namespace, "sample-ca-0")
    assert (outcome.returncode, outcome.stdout) == (0, "first\nsecond\n")
    assert outcome.stderr == "notice\nthe command in the pod ended with status 137; watching again in 1 s\n"


def test_huge_output_passes_through_and_is_not_kept(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", played("head -c 200000000 /dev/zero", tmp_path))
    process = subprocess.Popen(
        [cluster.path / "kubectl-chancery", "list", "-n", namespace],
        env=cluster.environment(cluster.plane.admin_kubeconfig),
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    octets, largest = 0, 0
    while piece := process.stdout.read(1 << 20):
        octets += len(piece)
        largest = max(largest, _resident(process.pid))
    process.stdout.close()
    cluster.delete_pod(namespace, "sample-ca-0")

    assert octets == 200_000_000
    assert process.wait(30) == 0
    assert largest < 120 << 20


def test_answer_that_must_be_kept_is_bounded(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", played("head -c 40000000 /dev/zero", tmp_path))

    outcome = cluster.run("status", "-n", namespace)

    cluster.delete_pod(namespace, "sample-ca-0")
    assert outcome.returncode == 5
    assert "larger than 16 MiB" in outcome.stderr


def test_reader_that_leaves_is_no_failure(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", played("yes", tmp_path))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"kubectl-chancery list -n {namespace} | head -n 1"],
        env=cluster.environment(cluster.plane.admin_kubeconfig),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    cluster.delete_pod(namespace, "sample-ca-0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "y\n", "")


def test_interruption_ends_it_with_the_usual_status(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.new_namespace()
    cluster.new_pod(namespace, "sample-ca-0", played("echo begun; sleep 60", tmp_path))
    process = subprocess.Popen(
        [cluster.path / "kubectl-chancery", "list", "-n", namespace],
        env=cluster.environment(cluster.plane.admin_kubeconfig),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)  # half of what the command in the pod would take

    cluster.delete_pod(namespace, "sample-ca-0")
    assert process.returncode == 130
    assert errors.strip() == "kubectl chancery: error: interrupted"


@pytest.mark.parametrize("hostile", ["$(touch broken)", "--identity=/", "--", "; `id` 'a b'", "\u202eé\n--x"])
def test_what_is_said_stays_one_word(cluster: Cluster, namespace: str, hostile: str) -> None:
    listed = cluster.run("list", "-n", namespace, f"--name={hostile}")
    revoked = cluster.run("revoke", "--yes", "-n", namespace, "--", hostile)

    assert listed.returncode in {0, 6}, listed
    assert revoked.returncode in {3, 6}, revoked
    assert cluster.kubelet.asked[-2][2] == f"--name={hostile}"
    assert cluster.kubelet.asked[-1][-2:] == ["--", hostile]


@pytest.mark.parametrize("hostile", ["../../secrets", "a/b", "A", "", "x" * 300, "%2e%2e", "a?b=c"])
def test_namespace_that_can_be_none_is_refused(cluster: Cluster, hostile: str) -> None:
    outcome = cluster.run("list", "--namespace", hostile, "--selector", "app.kubernetes.io/name=none")

    assert outcome.returncode in {2, 3, 6}
    assert outcome.stdout == ""


def test_program_that_the_image_does_not_have_is_told(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.new_namespace()
    empty = FakeContainer(programs={}, environment={}, directory=tmp_path)
    cluster.new_pod(namespace, "sample-ca-0", empty)

    outcome = cluster.run("list", "-n", namespace)

    cluster.delete_pod(namespace, "sample-ca-0")
    assert outcome.returncode == 6
    assert "executable file not found" in outcome.stderr


def test_token_and_exec_plugin_of_a_kubeconfig_count(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    token = cluster.plane.admin.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ).document["status"]["token"]
    account = f"system:serviceaccount:{namespace}:default"
    cluster.user(account.replace(":", "-"), namespace, SEE_PODS, EXEC)
    cluster.plane.kubectl(
        "create", "rolebinding", "account", f"--role={account.replace(':', '-')}",
        f"--serviceaccount={namespace}:default", f"--namespace={namespace}",
    )  # fmt: skip
    by_token = cluster.plane.kubeconfig_for_token(token)
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    document = json.loads(cluster.plane.kubectl("config", "view", "--raw", "-o", "json", kubeconfig=by_token).stdout)
    document["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        }
    }
    by_plugin = tmp_path / "config"
    by_plugin.write_text(json.dumps(document))

    for kubeconfig in (by_token, by_plugin):
        assert cluster.document("list", "-n", namespace, "--limit", "1", kubeconfig=kubeconfig)
        said = cluster.kubelet.asked[-1][-1].removeprefix("--local-administrator=")
        assert said.startswith("kubectl:system:serviceaccount")
        assert len(said) <= 64


def test_completion_by_kubectl_offers_commands_and_options(cluster: Cluster) -> None:
    completed = subprocess.run(
        [cluster.plane.binaries.path("kubectl"), "__complete", "chancery", "rotate", ""],
        env=cluster.environment(cluster.plane.admin_kubeconfig),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "issuer" in completed.stdout
    assert "root" in completed.stdout
