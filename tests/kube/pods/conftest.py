"""A real kube-apiserver, a real authority that takes its pods, and what the registrar needs of both."""

from collections.abc import Iterator

import pytest

from tests.kube.pods.shop import Shop, make_shop
from tests.servers.kubernetes.control_plane import ControlPlane


@pytest.fixture(scope="module")
def shop(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with make_shop(control_plane, tmp_path_factory.mktemp("shop")) as made:
        yield made
