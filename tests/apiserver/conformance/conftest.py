"""A server with the kinds that the storage tests of k8s.io/apiserver are about; every test has a namespace of its own."""

import itertools
from pathlib import Path

import pytest

from tests.apiserver.conformance.pods import Pods
from tests.apiserver.server import running_api_server

_numbers = itertools.count()


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("conformance") / "data"
    with running_api_server(directory, kinds=[str(Path(__file__).with_name("pods.yaml"))]) as server:
        yield server


@pytest.fixture(scope="package")
def api(server):
    return server.client()


@pytest.fixture
def pods(api):
    return Pods(api=api, namespace=f"ns-{next(_numbers)}")
