"""Helm in both majors, and the chart with it."""

import os
from pathlib import Path

import pytest

from tests.servers.helm.commands import Helm
from tests.servers.helm.programs import MAJORS, find_helm
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import controlled_cluster, remembered_control_plane  # noqa: F401 - a fixture

CHART = Path(__file__).parents[2] / "charts" / "chancery"
_OF_CHARTS = pytest.StashKey[ControlPlane]()


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> ControlPlane:
    """Of these tests alone: API services and other objects of the cluster have the same names in every release."""
    return remembered_control_plane(pytestconfig, _OF_CHARTS)


def make_helm(major: int, home: Path) -> Helm:
    program = find_helm(major, os.environ)
    if not program.is_there:
        pytest.skip(f"no Helm {major} in {program.path.parent}: run scripts/build_helm.sh")
    return Helm(program=program, home=home)


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4: what is rendered, and refused, is the same in both, as test_rendering shows."""
    return make_helm(MAJORS[0], tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session", params=MAJORS, ids=lambda major: f"helm{major}")
def each_helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return make_helm(request.param, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def chart() -> Path:
    return CHART
