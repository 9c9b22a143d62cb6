"""A real kube-apiserver with the injector registered."""

from collections.abc import Iterator

import pytest

from tests.kube.admission.running_injector import RunningInjector
from tests.servers.kubernetes.fixtures import control_plane  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def injector(control_plane, tmp_path_factory) -> Iterator[RunningInjector]:  # noqa: F811 - the fixture imported above
    running = RunningInjector.make(control_plane, tmp_path_factory.mktemp("injector"))
    try:
        running.start()
        running.register()
        yield running
    finally:
        running.end()
