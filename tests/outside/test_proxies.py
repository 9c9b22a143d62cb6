"""A proxy that is dead: whoever calls the authority or the cluster's API server does not notice, as nobody asks it."""

import time

import pytest

from tests.agent.pods import pod_of
from tests.ca.server import running_server
from tests.cli.program import Program
from tests.observability.monitored import monitored
from tests.servers.ports import free_port

pytestmark = pytest.mark.xdist_group("outside")

_NAMES = ("https_proxy", "http_proxy", "all_proxy", "grpc_proxy")
_SECONDS = 60


@pytest.fixture
def dead() -> dict[str, str]:
    """In every spelling that some library reads; NO_PROXY says the cluster's API server alone, as the chart's does."""
    url = f"http://127.0.0.1:{free_port()}"
    spelt = [spelling for name in _NAMES for spelling in (name, name.upper())]
    return dict.fromkeys(spelt, url) | dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1")


def test_servers_and_commands_reach_the_authority_without_it(tmp_path, dead):
    """`localhost` is the authority's name here, which no NO_PROXY holds."""
    with monitored(tmp_path, dead) as running:
        assert "localhost" in running.program.variables["CHANCERY_SERVER"]
        assert "localhost" in running.program.succeed("list", "--output", "plain")
        deadline = time.monotonic() + _SECONDS
        while not [path for path in list(running.cluster.objects) if path.endswith("/shop/configmaps/chancery-roots")]:
            assert time.monotonic() < deadline, "the controller does not reach the authority"
            time.sleep(0.05)


def test_an_agent_reaches_the_authority_without_it(tmp_path, dead):
    (tmp_path / "work").mkdir()
    with running_server(tmp_path / "ca" / "data") as server:
        pod = pod_of(server, tmp_path)
        program = Program(
            home=tmp_path / "home", directory=tmp_path / "work", variables={**dead, "NO_PROXY": "", "no_proxy": ""}
        )
        process = program.start(
            "agent",
            *("--server", f"https://localhost:{server.endpoints.http.rpartition(':')[2]}"),
            *(
                "--token-file",
                str(pod.token_file),
                "--bootstrap",
                str(pod.bootstrap),
                "--directory",
                str(pod.directory),
            ),
            "--once",
        )
        _, errors = process.communicate(timeout=_SECONDS)

    assert process.returncode == 0, errors
