"""A cluster with one release of the chart in it: test_life follows its life, test_replicas has parts of it fail."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.charts.conftest import make_helm
from tests.end_to_end.installation import IMAGE, PROGRAMS, TLS, Installation
from tests.servers.helm.programs import MAJORS
from tests.servers.image import BuiltImage
from tests.servers.kubernetes.binaries import VARIABLE, Binaries, find_binaries
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.node.environment import Image
from tests.servers.kubernetes.node.node import Node
from tests.servers.kubernetes.node.runc import node_of_containers

_LOOK_SECONDS = 3.0

_LIFE = {
    "ca": {"settings": {"rotation_settle": "3s"}},
    "controller": {
        "replicaCount": 2,
        "settings": {
            "trust_interval": "1s",
            "ca_bundle_propagation": "2s",
            "config_map_propagation": "5s",
            "cluster_trust_bundle_propagation": "5s",
        },
    },
    # beside the cluster's users, those who have a certificate of ours
    "apiserver": {"settings": {"client_ca_file": f"{TLS}/ca.crt", "shutdown_delay_duration": "1s"}},
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A release is installed first and uninstalled last, whatever shuffles tests."""
    for story in ("test_life", "test_image"):
        places = [place for place, item in enumerate(items) if f"end_to_end/{story}" in item.nodeid]
        in_order = sorted((items[place] for place in places), key=lambda item: item.reportinfo()[1] or 0)
        for place, item in zip(places, in_order, strict=True):
            items[place] = item


@pytest.fixture(scope="module")
def life() -> Iterator[Installation]:
    with cluster_for(_LIFE) as installation:
        yield installation


@contextmanager
def cluster_for(values: Mapping[str, Any], *, image: BuiltImage | None = None) -> Iterator[Installation]:
    """In which nothing is installed yet. Pods are containers of `image` where that is given."""
    binaries = require_control_plane()
    with tempfile.TemporaryDirectory(prefix="e2e-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        parts = {part: directory / part for part in ("node", "control-plane", "helm")}
        for part in parts.values():
            part.mkdir()
        helm = make_helm(MAJORS[0], parts["helm"])
        names = (IMAGE, f"registry.example.com/{IMAGE}")
        if image:
            node = node_of_containers(parts["node"], dict.fromkeys(names, image))
        else:
            images = dict.fromkeys(names, Image.of_dockerfile())
            images |= {path.stem: Image.of_program(path) for path in PROGRAMS.glob("*.py")}
            node = Node(directory=parts["node"], images=images, look_seconds=_LOOK_SECONDS)
        cluster = ControlPlane.make(binaries, parts["control-plane"], node_proxy=node.egress_socket)
        try:
            cluster.start()
            cluster.start_controller_manager()
            node.start(cluster)
            yield Installation(cluster=cluster, node=node, helm=helm, values=values)
        finally:
            node.end()
            cluster.end()


def require_control_plane() -> Binaries:
    binaries = find_binaries(os.environ)
    if not (binaries.are_complete and binaries.has_controller_manager):
        pytest.skip(f"no control plane in {VARIABLE} or the cache: run scripts/build_kubernetes.sh")
    return binaries
