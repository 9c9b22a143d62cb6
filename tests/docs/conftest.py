"""A desk to try a page at."""

import pytest

from tests.docs.desks import Desk
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import remembered_control_plane

_OF_PAGES = pytest.StashKey[ControlPlane]()


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> ControlPlane:
    """Of these tests alone: pages and examples name their objects as everybody does."""
    return remembered_control_plane(pytestconfig, _OF_PAGES)


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk.make(tmp_path / "desk", CHANCERY_ROTATION_SETTLE="1s")
