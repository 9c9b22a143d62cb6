"""kubectl through the aggregator: whatever people do with a resource."""

import json
import re
import subprocess

import pytest

from tests.apiserver.client import flunder, report
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES


@pytest.fixture
def kubectl(cluster, namespace):
    """Runs kubectl in the test's namespace and returns what it printed."""

    def run(*arguments, **options):
        done = cluster.kubectl(*arguments, "--namespace", namespace, **options)
        return done.stdout if options.get("check", True) else done.stderr

    return run


def as_json(printed):
    return json.loads(printed)


def test_resources_are_listed_with_their_short_names(cluster):
    rows = [
        line.split() for line in cluster.kubectl("api-resources", "--api-group=wgpolicyk8s.io").stdout.splitlines()[1:]
    ]

    assert ["policyreports", "polr", "wgpolicyk8s.io/v1alpha2", "true", "PolicyReport"] in rows
    assert ["clusterpolicyreports", "cpolr", "wgpolicyk8s.io/v1alpha2", "false", "ClusterPolicyReport"] in rows


def test_create_get_and_delete(kubectl):
    created = kubectl("create", "-f", "-", document=flunder("a"))
    again = kubectl("create", "-f", "-", document=flunder("a"), check=False)
    got = as_json(kubectl("get", "flunder", "a", "-o", "json", "--show-managed-fields"))
    deleted = kubectl("delete", "flunder", "a")
    missing = kubectl("get", "flunder", "a", check=False)

    assert created == "flunder.wardle.example.com/a created\n"
    assert 'flunders.wardle.example.com "a" already exists' in again
    assert got["spec"] == flunder("a")["spec"]
    assert got["metadata"]["managedFields"][0]["manager"] == "kubectl-create"
    assert deleted.startswith('flunder.wardle.example.com "a" deleted')
    assert missing == 'Error from server (NotFound): flunders.wardle.example.com "a" not found\n'


def test_columns_of_reports_are_shown(kubectl):
    kubectl("create", "-f", "-", document=report("r"))

    heading, row = kubectl("get", "polr").splitlines()

    assert heading.split()[0] == "NAME"
    assert {"PASS", "FAIL", "AGE"} <= set(heading.split())
    assert row.split()[0] == "r"


def test_apply_creates_changes_and_changes_nothing(kubectl):
    changed = flunder("a", spec={"reference": "y", "referenceType": "Flunder"})
    said = [kubectl("apply", "-f", "-", document=document) for document in (flunder("a"), changed, changed)]

    assert [line.rpartition(" ")[2] for line in said] == ["created\n", "configured\n", "unchanged\n"]
    assert kubectl("get", "flunder", "a", "-o", "jsonpath={.spec.reference}") == "y"


def test_server_side_apply_tells_conflicts_and_can_be_forced(kubectl):
    changed = flunder("a", spec={"reference": "y", "referenceType": "Flunder"})
    kubectl("apply", "--server-side", "-f", "-", "--field-manager=one", document=flunder("a"))
    conflict = kubectl("apply", "--server-side", "-f", "-", "--field-manager=two", document=changed, check=False)
    forced = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", "--field-manager=two", document=changed)

    assert 'Apply failed with 1 conflict: conflict with "one": .spec.reference' in conflict
    assert forced == "flunder.wardle.example.com/a serverside-applied\n"
    assert kubectl("get", "flunder", "a", "-o", "jsonpath={.spec.reference}") == "y"


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", {"spec": {"reference": "y"}}),
        ("json", [{"op": "replace", "path": "/spec/reference", "value": "y"}]),
    ],
)
def test_patch(kubectl, kind, patch):
    kubectl("create", "-f", "-", document=flunder("a"))
    said = kubectl("patch", "flunder", "a", f"--type={kind}", f"--patch={json.dumps(patch)}")

    assert said == "flunder.wardle.example.com/a patched\n"
    assert kubectl("get", "flunder", "a", "-o", "jsonpath={.spec.reference}") == "y"


def test_label_and_annotate(kubectl):
    kubectl("create", "-f", "-", document=flunder("a"))
    kubectl("create", "-f", "-", document=flunder("b"))
    kubectl("label", "flunder", "a", "tier=gold")
    kubectl("annotate", "flunder", "a", "example.com/note=seen")

    assert kubectl("get", "flunders", "-l", "tier=gold", "-o", "name") == "flunder.wardle.example.com/a\n"
    assert as_json(kubectl("get", "flunder", "a", "-o", "json"))["metadata"]["annotations"] == {
        "example.com/note": "seen"
    }


def test_dry_run_on_the_server_stores_nothing(kubectl):
    said = kubectl("create", "-f", "-", "--dry-run=server", document=flunder("a"))

    assert said == "flunder.wardle.example.com/a created (server dry run)\n"
    assert kubectl("get", "flunders", "-o", "name") == ""


def test_unknown_field_is_refused_by_validation(kubectl):
    """By the server; by kubectl itself while the aggregator has not put the group into its OpenAPI document yet."""
    refused = kubectl("create", "-f", "-", document=flunder("a", spec={"referense": "x"}), check=False)

    assert 'unknown field "spec.referense"' in refused or '(Flunder.spec): unknown field "referense"' in refused


def test_long_lists_are_paged(kubectl):
    for name in "abc":
        kubectl("create", "-f", "-", document=flunder(name))

    assert len(kubectl("get", "flunders", "--chunk-size=1", "-o", "name").splitlines()) == 3


def test_watch_tells_changes_as_they_happen(cluster, kubectl, namespace):
    command = cluster.kubectl_command(
        "get", "flunders", "--namespace", namespace, "--watch", "--output-watch-events", "--no-headers"
    )
    kubectl("create", "-f", "-", document=flunder("a"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        try:
            lines = [watching.stdout.readline()]
            kubectl("label", "flunder", "a", "tier=gold")
            lines.append(watching.stdout.readline())
            kubectl("delete", "flunder", "a")
            lines.append(watching.stdout.readline())
        finally:
            watching.kill()

    assert [line.split()[:2] for line in lines] == [["ADDED", "a"], ["MODIFIED", "a"], ["DELETED", "a"]]


def test_wait_sees_a_deletion(cluster, kubectl, namespace):
    kubectl("create", "-f", "-", document=flunder("a"))
    command = cluster.kubectl_command("wait", "--for=delete", "flunder/a", "--timeout=60s", "--namespace", namespace)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        kubectl("delete", "flunder", "a", "--wait=false")

        assert waiting.wait(60) == 0


def test_explain_describes_fields(cluster):
    said = []
    cluster.wait_until(  # the aggregator fetches OpenAPI some time after the APIService is available
        lambda: said.append(cluster.kubectl("explain", "flunder.spec", check=False)) or said[-1].returncode == 0,
        "kubectl explains",
    )

    assert re.search(r"^GROUP: +wardle\.example\.com$", said[-1].stdout, re.MULTILINE)
    assert re.search(r"^ +reference\s+<string>$", said[-1].stdout, re.MULTILINE)


def test_cluster_scoped_resource_belongs_to_no_namespace(cluster):
    fischer = {"apiVersion": "wardle.example.com/v1alpha1", "kind": "Fischer", "metadata": {"name": "f"}}
    cluster.kubectl("create", "-f", "-", document=fischer)
    listed = cluster.kubectl("get", "fischers", "-o", "name").stdout
    cluster.kubectl("delete", "fischer", "f")

    assert listed == "fischer.wardle.example.com/f\n"
