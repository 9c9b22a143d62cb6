"""What the injector has an agent started with is what an agent can be started with."""

import os
import subprocess
import sys

import pytest

from cli.commands import agent
from tests.ca.cluster.api_server import BoundToken, fake_api_server
from tests.ca.server import running_server
from tests.kube.admission.pods_for_tests import INJECTION, OLD, USUAL, arguments, patched, pod_of

WISHES = {
    "duration": "90m",
    "dns": "web.shop.svc",
    "key-mode": "0640",
    "formats": "pem,bundle,pkcs12,jks",
    "reload": "http://127.0.0.1:9000/reload",
}


@pytest.mark.parametrize("name", ["chancery-agent", "chancery-agent-init"])
@pytest.mark.parametrize("reload", ["http://127.0.0.1:9000/reload", "signal:USR1:web", "none"])
def test_agent_takes_every_flag(name, reload):
    pod = pod_of(annotations=WISHES | {"reload": reload}, shareProcessNamespace=True)
    command, *flags = arguments(patched(pod, features=OLD), name)
    context = agent.command.make_context(command, flags)

    assert context.params["dns_names"] == ("web.shop.svc",)
    assert agent._parse_mode(context.params["key_mode"]) == 0o640
    assert len(agent._parse_formats(context.params["formats"])) == 4
    assert [agent._parse_reload(how) for how in context.params["reloads"]] or reload == "none" or name.endswith("init")


def test_probes_are_commands_of_the_agent():
    container = patched(pod_of(), features=USUAL)["spec"]["initContainers"][0]
    for probe in ("startupProbe", "livenessProbe"):
        program, group, name = container[probe]["exec"]["command"]

        assert (program, group) == ("ca-cli", "agent")
        assert name in agent.command.commands


def test_pod_gets_its_identity_by_what_the_injector_wrote(tmp_path):
    import dataclasses

    token = BoundToken()
    with (
        fake_api_server(tmp_path) as cluster,
        running_server(
            tmp_path / "ca", kubernetes_enrollment=True, kubernetes_kubeconfig=cluster.kubeconfig
        ) as authority,
    ):
        (tmp_path / "token").write_text(cluster.knows(token))
        (tmp_path / "roots.pem").write_bytes(authority.administrator.roots)
        injection = dataclasses.replace(INJECTION, http_server=authority.url.removeprefix("https://"))
        flags = arguments(patched(pod_of(), features=OLD, injection=injection), "chancery-agent-init")
        where = {"TOKEN_FILE": "token", "BOOTSTRAP": "roots.pem", "DIRECTORY": "tls"}  # as it is mounted in a pod
        environment = {f"CHANCERY_AGENT_{name}": str(tmp_path / path) for name, path in where.items()}
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *flags],
            env={"PATH": os.defpath, "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tls" / "tls.key").stat().st_mode & 0o777 == 0o440
    assert (tmp_path / "tls" / "bundle.pem").stat().st_mode & 0o777 == 0o440
    assert (
        f"spiffe://cluster.local/ns/{token.namespace}/sa/{token.service_account}"
        in (tmp_path / "tls" / "identity.json").read_text()
    )
