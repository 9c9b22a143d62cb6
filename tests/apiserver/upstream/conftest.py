"""kube-apiserver with our kinds as CustomResourceDefinitions, and our server with them as kinds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.apiserver.server import running_api_server
from tests.apiserver.upstream.playing import API, Player, Script, differences
from tests.servers.kubernetes.fixtures import control_plane  # noqa: F401 - a fixture

_KINDS = Path(__file__).with_name("kinds.yaml")
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="package")
def theirs(control_plane):  # noqa: F811 - the fixture imported above
    """A client of kube-apiserver, which serves our kinds."""
    client = control_plane.client("development", "system:masters")
    for definition in yaml.safe_load_all(_KINDS.read_text()):
        answer = client.create(_DEFINITIONS, definition)
        assert answer.status == 201, answer.octets
        plural = definition["spec"]["names"]["plural"]
        control_plane.wait_until(
            lambda path=f"{API}/{plural}": client.get(path).status == 200, f"{plural} are served", seconds=30
        )
    return client


@pytest.fixture(scope="package")
def ours(tmp_path_factory):
    with running_api_server(tmp_path_factory.mktemp("upstream") / "data", kinds=[str(_KINDS)]) as server:
        yield server.client()


@pytest.fixture
def compare(theirs, ours) -> Callable[[Script], list[str]]:
    """Plays a script to both servers at once; what is not the same, to be read by people."""

    def play(script: Script) -> list[str]:
        namespace = script.__name__.replace("_", "-")
        assert theirs.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).status == 201
        players = [Player(client=client, namespace=namespace) for client in (theirs, ours)]
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(script, players))
        real, own = (player.played for player in players)
        assert len(real) == len(own)
        return [
            "\n".join([request, *found])
            for (request, left), (_, right) in zip(real, own, strict=True)
            if (found := differences(left, right))
        ]

    return play
