"""Which process is a container's first, by a /proc as a pod with shared processes has it."""

from pathlib import Path

import pytest

from agent.errors import SignalNotSent
from agent.pod_processes import first_process_of
from agent.reload import SignalHook

HOSTS = "801 790 8:1 /var/lib/kubelet/pods/0a-1/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw"


def log_of(container: str) -> str:
    return f"802 790 8:1 /kubelet/pods/0a-1/containers/{container}/5d41402a /dev/termination-log rw - ext4 /dev/sda1 rw"


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "self").mkdir()

    def add(pid: int, parent: int, name: str, *mounts: str) -> None:
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} {pid} 0 0")
        (tmp_path / str(pid) / "mountinfo").write_text("\n".join(("790 1 0:50 / / rw - overlay overlay rw", *mounts)))

    add(1, 0, "pause")
    add(7, 0, "ca-cli", HOSTS, log_of("chancery-agent"))
    add(30, 31, "nginx: worker) S 0", HOSTS, log_of("web"))
    add(31, 0, "nginx: master) S 99", HOSTS, log_of("web"))
    add(40, 0, "sh", HOSTS, log_of("web-2"))
    (tmp_path / "50").mkdir()  # has ended meanwhile
    return tmp_path


def test_first_process_is_the_one_without_a_parent_in_the_pod(proc):
    assert first_process_of("web", proc) == 31
    assert first_process_of("web-2", proc) == 40


@pytest.mark.parametrize("name", ["nginx", "we", "", "pause", "web/../web-2"])
def test_container_that_is_not_there_has_none(proc, name):
    assert first_process_of(name, proc) is None


def test_this_machine_runs_no_container_of_ours():
    assert first_process_of("chancery-no-such-container", Path("/proc")) is None
    with pytest.raises(SignalNotSent, match="share its processes"):
        SignalHook(container="chancery-no-such-container").run()
    assert SignalHook(container="web").description == "SIGHUP to container web"
