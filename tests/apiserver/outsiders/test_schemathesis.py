"""Schemathesis holds a running server to the OpenAPI documents that it serves: every operation, with good and bad requests.

- Its checks are all on, but where the configurations below say otherwise, and why. `schemathesis_hooks` bounds watches and knows
  the answers that kube-apiserver gives against every check.
- One seed and one worker: the same requests every time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apiserver.server import running_api_server

pytestmark = pytest.mark.slow

_SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
_ROOT = Path(__file__).parents[3]
_HOOKS = "tests.apiserver.outsiders.schemathesis_hooks"
_LIFECYCLE = "tests.apiserver.outsiders.schemathesis_lifecycle"
_WARDLE, _REPORTS = "wardle.example.com/v1alpha1", "wgpolicyk8s.io/v1alpha2"

_COMMON = """
seed = 8112
continue-on-failure = true
request-timeout = 20
[generation]
database = "none"
[reports.json]
path = "report.json"
"""

# Which options exclude each other, and what a name or a selector looks like, no document says: there, good data is refused
# with 400, 404, 409, 410 or 422 (and what kube-apiserver refuses with 5xx, the hooks look at). But it is never of a type that
# is not taken (415), never too large (413), and its method is always allowed (405).
_CONFORMANCE = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 409, 410, 422, 500, 504]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_api_server(tmp_path_factory.mktemp("schemathesis") / "data") as server:
        yield server


@pytest.fixture
def run(server, tmp_path):
    server.serving_ca.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    identity = server.client_ca.issue_cert(common_name="outsider", organization_name="system:masters")
    identity.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "identity.pem"))
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "NO_PROXY": "localhost", "PYTHONWARNINGS": "ignore"}

    def run(version, *options, hooks, configuration=""):
        """The report of a run that found nothing."""
        (tmp_path / "schemathesis.toml").write_text(_COMMON + configuration)
        finished = subprocess.run(
            [_SCHEMATHESIS, "--no-color", "run", f"{server.url}/openapi/v3/apis/{version}",
             "--tls-verify", "ca.crt", "--request-cert", "identity.pem", "--checks", "all", *options],
            check=False, cwd=tmp_path, env={**environment, "SCHEMATHESIS_HOOKS": hooks}, capture_output=True, text=True,
            timeout=110,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stdout[-20_000:] + finished.stderr[-5_000:]
        return json.loads((tmp_path / "report.json").read_text())

    return run


@pytest.mark.parametrize(
    ("version", "swept"),
    # Every case of every parameter and field takes its time: once for each scope is enough, random requests go everywhere.
    [(_WARDLE, "/namespaces/"), (_REPORTS, "/clusterpolicyreports")],
    ids=[_WARDLE, _REPORTS],
)
def test_answers_are_what_the_document_says(run, version, swept):
    not_swept = f"""
[[operations]]
exclude-path-regex = "{swept}"
[operations.phases.coverage]
enabled = false
"""

    report = run(
        version,
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "4",
        hooks=_HOOKS,
        configuration=_CONFORMANCE + not_swept,
    )

    assert report["operations"]["tested"] == report["operations"]["total"] > 0
    assert report["test_cases"]["generated"] > 1000
    assert not report["failures"]


@pytest.mark.parametrize(
    ("version", "paths", "operations"),
    [(_WARDLE, "/namespaces/", 8), (_REPORTS, "/clusterpolicyreports", 5)],
    ids=["flunders", "clusterpolicyreports"],
)
def test_objects_are_there_from_their_creation_to_their_deletion(run, version, paths, operations):
    # Nothing wrong is sent: what a link hands on is the object as it was answered, which is more than a caller chooses.
    report = run(
        version, "--phases", "stateful", "--max-examples", "20", "--mode", "positive", "--include-path-regex", paths,
        "--exclude-checks", "negative_data_rejection",
        hooks=_LIFECYCLE,
    )  # fmt: skip

    assert report["operations"]["tested"] == operations
    assert not report["failures"]
