"""The parts of the tests' node that make containers of pods: what a pod says becomes what a runtime is told."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.kubernetes.node.access import NotThereYet
from tests.servers.kubernetes.node.enclosure import Enclosure
from tests.servers.kubernetes.node.oci import Bind, config
from tests.servers.kubernetes.node.ownership import KubeletOwnership
from tests.servers.kubernetes.node.runc import octets, why_not
from tests.servers.kubernetes.node.seccomp import PROFILE, seccomp
from tests.servers.kubernetes.node.security import DEFAULT_CAPABILITIES, Security, only_user
from tests.servers.test_node import FakeAccess, volumes_of

IMAGE_USER = "65532:65532"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others: takes root")


def pod_of(*containers, **security):
    return {"metadata": {"name": "web-0"}, "spec": {"securityContext": security, "containers": list(containers)}}


def security_of(container, **of_pod):
    said = {"securityContext": container}
    return Security.of(said, pod_of(said, **of_pod), image_user=IMAGE_USER)


@pytest.mark.parametrize(
    ("of_container", "of_pod", "expected"),
    [
        ({}, {}, (65532, 65532)),
        ({}, {"runAsUser": 1000}, (1000, 0)),
        ({}, {"runAsUser": 65532}, (65532, 65532)),
        ({"runAsUser": 1001}, {"runAsUser": 1000, "runAsGroup": 7}, (1001, 7)),
        ({"runAsUser": 0, "runAsGroup": 0}, {"runAsUser": 1000}, (0, 0)),
    ],
)
def test_user_is_the_container_s_the_pod_s_or_the_image_s(of_container, of_pod, expected):
    security = security_of(of_container, **of_pod)

    assert (security.user, security.group) == expected


def test_groups_of_the_pod_are_those_of_all_its_containers():
    assert security_of({}, fsGroup=2000, supplementalGroups=[5, 6]).further_groups == (2000, 5, 6)


def test_root_is_refused_where_it_may_not_be():
    with pytest.raises(NotThereYet, match="runAsNonRoot"):
        security_of({"runAsUser": 0}, runAsNonRoot=True)
    assert security_of({"runAsUser": 0, "runAsNonRoot": False}, runAsNonRoot=True).user == 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, DEFAULT_CAPABILITIES),
        ({"drop": ["ALL"]}, ()),
        ({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, ("NET_BIND_SERVICE",)),
        ({"drop": ["CAP_KILL"]}, tuple(name for name in DEFAULT_CAPABILITIES if name != "KILL")),
    ],
)
def test_capabilities_are_the_runtime_s_without_what_is_dropped(said, expected):
    assert security_of({"capabilities": said}).capabilities == expected


def test_what_nobody_says_is_as_loose_as_in_kubernetes():
    security = security_of({})

    assert (security.no_new_privileges, security.read_only_root, security.confined) == (False, False, False)


def test_pod_has_one_user_where_all_its_containers_are_that():
    one, other = {"securityContext": {"runAsUser": 1}}, {"securityContext": {"runAsUser": 2}}

    assert only_user(pod_of({}, {}, runAsUser=9)) == 9
    assert only_user(pod_of(one, one)) == 1
    assert only_user(pod_of(one, other)) is None
    assert only_user(pod_of({}, one)) is None
    assert only_user(pod_of({}, {})) is None


@pytest.mark.skipif(not PROFILE.exists(), reason=f"no {PROFILE}")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_seccomp_lets_no_container_without_capabilities_mount(machine):
    def allowed(*capabilities):
        rules = seccomp(capabilities, machine=machine)["syscalls"]
        return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}

    assert {"openat", "futex", "execve"} <= allowed()
    assert not {"mount", "setns", "kexec_load"} & allowed()
    assert "setns" in allowed("SYS_ADMIN")
    assert ("arch_prctl" in allowed()) == (machine == "x86_64")


def test_container_is_told_what_its_pod_says():
    said = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    document = config(
        command=["ca-cli", "serve"],
        environment={"A": "b"},
        working_directory="/",
        host_name="web-0",
        root="/root",
        security=security_of(said, fsGroup=2000),
        binds=[Bind(destination="/token", source="/volume", read_only=True)],
        process_namespace="/pause",
        cgroup="/c",
    )

    assert document["root"]["readonly"]
    assert document["process"]["noNewPrivileges"]
    assert document["process"]["user"] == {"uid": 65532, "gid": 65532, "additionalGids": [2000]}
    assert set(map(tuple, document["process"]["capabilities"].values())) == {()}
    assert document["process"]["env"] == ["A=b"]
    assert document["mounts"][-1]["options"] == ["rbind", "rprivate", "ro"]
    assert {"type": "pid", "path": "/pause"} in document["linux"]["namespaces"]
    assert "seccomp" not in document["linux"]


@pytest.mark.parametrize(("quantity", "expected"), [("1Mi", 1 << 20), ("2G", 2 * 10**9), ("512", 512), ("1.5Ki", 1536)])
def test_quantities_count_octets(quantity, expected):
    assert octets(quantity) == expected


TOKEN = {"serviceAccountToken": {"path": "token", "audience": "a", "expirationSeconds": 3600}}
ROOTS = {"configMap": {"name": "roots", "items": [{"key": "ca.crt", "path": "deep/ca.crt"}]}}


def published(tmp_path, pod):
    access = FakeAccess(roots={"ca.crt": b"root"})
    volume = {"name": "v", "projected": {"defaultMode": 0o644, "sources": [TOKEN, ROOTS]}}
    volumes = volumes_of(tmp_path, access, volume, {"name": "empty", "emptyDir": {}})
    volumes.ownership = KubeletOwnership.of(pod, mount_memory=lambda *_: None, seen=lambda path: path)
    volumes.fill()
    return tmp_path / "pod"


def seen(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


@as_root
@pytest.mark.parametrize(
    ("containers", "security", "expected"),
    [
        ([{}], {"runAsUser": 1000}, (0o600, 1000, 0)),
        ([{}], {"runAsUser": 1000, "fsGroup": 2000}, (0o640, 1000, 2000)),
        ([{}], {"fsGroup": 2000}, (0o640, 0, 2000)),
        ([{}, {"securityContext": {"runAsUser": 1}}], {"runAsUser": 1000}, (0o644, 0, 0)),
        ([{}], {}, (0o644, 0, 0)),
    ],
)
def test_token_is_for_the_one_user_of_a_pod_or_its_group(tmp_path, containers, security, expected):
    assert seen(published(tmp_path, pod_of(*containers, **security)) / "v/token") == expected


@as_root
def test_what_is_published_and_what_is_written_is_the_group_s(tmp_path):
    pod = published(tmp_path, pod_of({}, runAsUser=1000, fsGroup=2000))

    assert seen(pod / "v/deep/ca.crt") == (0o644, 0, 2000)
    assert seen((pod / "v/deep").resolve()) == (0o2755, 0, 2000)
    assert seen(pod / "empty") == (0o2777, 0, 2000)


@as_root
def test_empty_directory_is_everybody_s_where_the_pod_has_no_group(tmp_path):
    assert seen(published(tmp_path, pod_of({})) / "empty") == (0o777, 0, 0)


@as_root
@pytest.mark.parametrize(
    ("policy", "mode", "expected"),
    [
        ("Always", 0o2770, (0o660, 2000)),
        ("OnRootMismatch", 0o2770, (0o600, 0)),
        ("OnRootMismatch", 0o755, (0o660, 2000)),
    ],
)
def test_files_of_a_claim_become_the_group_s_where_the_pod_says_so(tmp_path, policy, mode, expected):
    claim = tmp_path / "claim"
    claim.mkdir()
    (claim / "key").touch(mode=0o600)
    os.chown(claim, 0, 2000)
    claim.chmod(mode)
    pod = pod_of({}, fsGroup=2000, fsGroupChangePolicy=policy)

    KubeletOwnership.of(pod, mount_memory=lambda *_: None, seen=lambda path: path).make_claim(claim)

    found, _, group = seen(claim / "key")
    assert (found, group) == expected
    assert seen(claim)[0] == (0o2770 if mode == 0o2770 else 0o2775)


HOLDER = """
import sys
from pathlib import Path
from tests.servers.kubernetes.node.enclosure import Enclosure
enclosure = Enclosure(directory=Path(sys.argv[1]))
enclosure.start()
print(enclosure.run("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $(readlink /proc/self/ns/pid)").stdout.decode(), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0 or bool(why_not()), reason=why_not() or "takes root")
def test_nothing_outlives_who_made_an_enclosure_and_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "inside")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    namespace = holder.stdout.readline().strip()
    assert processes_in(namespace)

    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)

    deadline = time.monotonic() + 20
    while processes_in(namespace) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(namespace) == []
    assert not os.path.ismount(tmp_path / "inside")


def processes_in(namespace: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns/pid").readlink()) == namespace:
                found.append(process.name)
        except OSError:
            continue  # it has ended
    return found


@pytest.mark.skipif(os.geteuid() != 0 or bool(why_not()), reason=why_not() or "takes root")
def test_network_of_an_enclosure_leads_nowhere(tmp_path):
    enclosure = Enclosure(directory=tmp_path / "inside")
    enclosure.start()
    try:
        links = enclosure.run("ip", "-brief", "link").stdout.decode().split()
        with enclosure.socket() as served:
            served.bind(("10.0.0.1", 443))
    finally:
        enclosure.end()

    assert links[0] == "lo"
    assert len([word for word in links if word.startswith(("lo", "eth", "veth"))]) == 1
