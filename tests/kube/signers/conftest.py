"""The cluster in which the signers sign."""

from collections.abc import Iterator

import pytest

from tests.kube.signers.signing_cluster import SigningCluster, signing_cluster
from tests.servers.kubernetes.control_plane import ControlPlane


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningCluster]:
    with signing_cluster(control_plane, tmp_path_factory.mktemp("signing")) as made:
        yield made
