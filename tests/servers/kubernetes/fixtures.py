"""The control plane of a test session: one for each process of the tests, ended with it.

- Import the fixtures into a conftest and say `pytestmark = KUBERNETES` in the module, so that one process alone starts it.
- It is shared: a test makes names of its own, and starts again what it stops. Without the programs tests are skipped.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.servers.kubernetes.binaries import VARIABLE, find_binaries
from tests.servers.kubernetes.control_plane import ControlPlane

KUBERNETES = [pytest.mark.kubernetes, pytest.mark.xdist_group("kubernetes")]

# A session fixture that two conftests import is made twice: the session itself remembers this one.
_SHARED = pytest.StashKey[ControlPlane]()


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> ControlPlane:
    """etcd and kube-apiserver, ready."""
    if _SHARED not in pytestconfig.stash:
        binaries = find_binaries(os.environ)
        if not binaries.are_complete:
            pytest.skip(
                f"no etcd, kube-apiserver and kubectl in {VARIABLE} or the cache: run scripts/build_kubernetes.sh"
            )
        directory = tempfile.TemporaryDirectory(prefix="kubernetes-", ignore_cleanup_errors=True)
        pytestconfig.add_cleanup(directory.cleanup)
        started = ControlPlane.make(binaries, Path(directory.name))
        pytestconfig.add_cleanup(started.end)
        started.start()
        pytestconfig.stash[_SHARED] = started
    return pytestconfig.stash[_SHARED]


@pytest.fixture(scope="session")
def controlled_cluster(control_plane: ControlPlane) -> ControlPlane:
    """The same with kube-controller-manager: service accounts, namespace deletion, garbage collection, quota."""
    control_plane.start_controller_manager()
    return control_plane
