"""The control plane of a test session: one for each process of the tests, ended with it.

- Import the fixtures into a conftest and say `pytestmark = KUBERNETES` in the module.
- It is shared: a test makes names of its own, and starts again what it stops. Without the programs tests are skipped.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.servers.kubernetes.binaries import VARIABLE, find_binaries
from tests.servers.kubernetes.control_plane import ControlPlane

KUBERNETES = [pytest.mark.kubernetes]

# A session fixture that two conftests import is made twice: the session itself remembers this one.
_SHARED = pytest.StashKey[ControlPlane]()


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> ControlPlane:
    """etcd and kube-apiserver, ready."""
    return remembered_control_plane(pytestconfig, _SHARED)


def remembered_control_plane(config: pytest.Config, key: pytest.StashKey[ControlPlane]) -> ControlPlane:
    """The session's by that key: for tests whose objects have names that others' objects have, too."""
    if key not in config.stash:
        binaries = find_binaries(os.environ)
        if not binaries.are_complete:
            pytest.skip(
                f"no etcd, kube-apiserver and kubectl in {VARIABLE} or the cache: run scripts/build_kubernetes.sh"
            )
        directory = tempfile.TemporaryDirectory(prefix="kubernetes-", ignore_cleanup_errors=True)
        config.add_cleanup(directory.cleanup)
        started = ControlPlane.make(binaries, Path(directory.name))
        config.add_cleanup(started.end)
        started.start()
        config.stash[key] = started
    return config.stash[key]


@pytest.fixture(scope="session")
def controlled_cluster(control_plane: ControlPlane) -> ControlPlane:
    """The same with kube-controller-manager: service accounts, namespace deletion, garbage collection, quota."""
    control_plane.start_controller_manager()
    return control_plane
