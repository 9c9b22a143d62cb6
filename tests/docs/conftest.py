"""A desk to try a page at."""

import pytest

from tests.docs.desks import Desk
from tests.servers.kubernetes.fixtures import control_plane  # noqa: F401 - fixture


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk.make(tmp_path / "desk", CHANCERY_ROTATION_SETTLE="1s")
