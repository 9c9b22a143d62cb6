"""A cluster in memory, new for each test that asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.api_server import FakeCluster, fake_cluster
from tests.servers.kubernetes.fixtures import control_plane, controlled_cluster  # noqa: F401 - fixtures


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path) as running:
        yield running
