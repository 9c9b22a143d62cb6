"""The session in docs/kubectl.md is what kubectl still shows."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.kubectl.conftest import Cluster, running_authority
from tests.cli.program import Program
from tests.cli.transcript import play, read_session, write_session
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

PAGE = Path(__file__).parents[3] / "docs" / "kubectl.md"
NAMESPACE = "pki"


@pytest.fixture
def administrator(
    cluster: Cluster, initialised_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Program]:
    """Somebody with a kubeconfig, and an authority of which nobody has asked anything yet."""
    cluster.new_namespace(NAMESPACE)
    with running_authority(initialised_home, tmp_path / "container") as container:
        cluster.new_pod(NAMESPACE, "chancery-ca-0", container)
        environment = cluster.environment(cluster.plane.admin_kubeconfig)
        kubectl = Path(cluster.plane.binaries.path("kubectl")).parent
        monkeypatch.setenv("PATH", f"{environment['PATH']}:{kubectl}")
        work = tmp_path / "work"
        work.mkdir()
        yield Program(
            home=tmp_path / "home",
            directory=work,
            variables={name: environment[name] for name in ("KUBECONFIG", "PYTHONPATH")},
        )
    cluster.delete_pod(NAMESPACE, "chancery-ca-0")


@pytest.mark.slow
def test_session_of_the_page_is_as_written(administrator: Program) -> None:
    assert shutil.which("kubectl")
    (block,) = re.findall(r"```console\n(\$ kubectl chancery.*?)```", PAGE.read_text(), re.DOTALL)
    introduction, steps = read_session(block)

    assert write_session(introduction, list(play(steps, administrator))) == block
