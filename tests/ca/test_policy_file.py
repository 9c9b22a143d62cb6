"""The policy on disk: re-read when it changes, and never replaced by one that has faults."""

import os
from pathlib import Path

import pytest

from ca.errors import PolicyInvalid
from ca.policy import default_policy
from ca.policy_file import PolicyFile

GOOD = default_policy("cluster.local")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    return path


def test_unchanged_file_is_not_read_again(path: Path) -> None:
    policy = PolicyFile(path)
    before = policy()

    assert not policy.refresh()
    assert policy() is before


def test_changed_file_comes_into_force(path: Path) -> None:
    policy = PolicyFile(path)
    path.write_text(GOOD + "# changed\n")

    assert policy.refresh()
    assert policy().document.endswith("# changed\n")


def test_file_replaced_by_rename_comes_into_force(path: Path) -> None:
    """As editors and Kubernetes volumes do it, with the size and the time of the one before."""
    policy = PolicyFile(path)
    status = path.stat()
    other = path.with_name("other")
    other.write_text(GOOD.replace("max_lifetime: 24h", "max_lifetime: 12h"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)

    assert policy.refresh()
    assert "max_lifetime: 12h" in policy().document


@pytest.mark.parametrize("content", [b"", b"kind: Nothing", b"\xff\xfe", b"rules: [", b"&a [*a]", b"- " * 100_000])
def test_faulty_file_never_replaces_one_that_works(path: Path, content: bytes) -> None:
    policy = PolicyFile(path)
    path.write_bytes(content)

    assert not policy.refresh()
    assert policy().document == GOOD


def test_repaired_file_comes_into_force(path: Path) -> None:
    policy = PolicyFile(path)
    path.write_text("kind: Nothing")
    policy.refresh()
    path.write_text(GOOD + "# repaired\n")

    assert policy.refresh()
    assert policy().document.endswith("# repaired\n")


def test_removed_file_leaves_the_policy_in_force(path: Path) -> None:
    policy = PolicyFile(path)
    path.unlink()

    assert not policy.refresh()
    assert policy().document == GOOD


def test_start_without_a_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        PolicyFile(tmp_path / "policy.yaml")
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        PolicyFile(tmp_path)


def test_faults_at_the_start_say_of_which_file_they_are(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("rules: [")
    with pytest.raises(PolicyInvalid) as refused:
        PolicyFile(path)

    assert str(refused.value).startswith(f"policy {path}: line 1: not YAML")
    with pytest.raises(PolicyInvalid) as missing:
        PolicyFile(tmp_path / "gone.yaml")
    assert str(missing.value).count("gone.yaml cannot be read") == 1
    assert not str(missing.value).startswith("policy")
