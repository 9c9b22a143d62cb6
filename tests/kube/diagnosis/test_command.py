"""`ca-cli doctor --cluster` and `ca-cli status --cluster`, on a real kube-apiserver."""

import json

import pytest

from tests.cli.program import Program, client_variables
from tests.kube.ambient import real_clock
from tests.kube.diagnosis.conftest import encoded, https_server
from tests.kube.diagnosis.made import DAY
from tests.kube.injection.webhook_server import webhook_server
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.ports import free_port

pytestmark = KUBERNETES


@pytest.fixture
def cli(product, tmp_path) -> Program:
    variables = {"CHANCERY_KUBECONFIG": str(product.cluster.admin_kubeconfig), "CHANCERY_NAMESPACE": product.namespace}
    return Program(home=tmp_path / "home", directory=tmp_path, variables=variables)


def test_doctor_ends_with_1_where_there_is_a_problem_and_says_where_to_read(product, cli):
    product.install()
    product.service()
    name = product.webhook(port=free_port(), ca_bundle=encoded(b"garbage"))
    outcome = cli("doctor", "--no-dry-run")
    garbage = [one for one in json.loads(outcome.output) if one["check"] == f"ValidatingWebhookConfiguration/{name}"]

    assert outcome.status == 1
    assert garbage[0]["severity"] == "problem"
    assert garbage[0]["runbook"] == "docs/runbooks.md#ca-bundle-garbage"
    assert "registrar" in garbage[0]["advice"]


def test_doctor_is_read_by_people_where_they_ask_for_it(product, cli):
    product.install()
    output = cli("doctor", "--output", "plain").output

    assert "ok       StatefulSet/shop-ca: 1 of 1 pods are ready\n" in output
    assert "see: docs/runbooks.md#rights-missing\n" in output


def test_status_has_a_line_for_each_target_with_both_ends(product, cli):
    product.install()
    product.service()
    now = real_clock()
    context = product.serving_context(begins=now - DAY / 24, ends=now + DAY)
    with webhook_server(lambda: context) as (port, _):
        name = product.webhook(port=port)
        lines = {one["target"]: one for one in json.loads(cli.succeed("status", "--cluster"))}
        table = cli.succeed("status", "--cluster", "--output", "plain")

    line = lines[f"ValidatingWebhookConfiguration/{name}"]
    assert (line["state"], line["issuer"]) == ("ok", "CN=root")
    assert line["not_after_time"] < line["roots_not_after_time"]
    assert lines["Secret/roots"]["not_after_time"] == line["roots_not_after_time"]
    assert table.startswith("TARGET ")


def test_authority_is_asked_by_an_administrator_who_says_so(product, cli, endpoints, initialised_home):
    product.install()
    asking = {**client_variables(endpoints), "CHANCERY_IDENTITY": str(initialised_home / "identity")}
    found = {one["check"]: one for one in json.loads(cli("doctor", "--no-dry-run", **asking).output)}
    lines = {one["target"]: one for one in json.loads(cli.succeed("status", "--cluster", "--no-dry-run", **asking))}

    assert [found[name]["severity"] for name in ("authority root", "clock of the authority", "rotation")] == ["ok"] * 3
    assert found["rotation"]["found"].startswith("none under way; generation 1")
    assert lines["authority intermediate"]["not_after_time"] < lines["authority root"]["not_after_time"]


def test_authority_that_is_not_reached_is_skipped_with_the_reason(product, cli, initialised_home):
    product.install()
    asking = {"CHANCERY_SERVER": "localhost:1", "CHANCERY_IDENTITY": str(initialised_home / "identity")}
    found = {one["check"]: one for one in json.loads(cli("doctor", "--timeout", "2s", **asking).output)}

    assert found["authority"]["severity"] == "skipped"
    assert "it was not asked" in found["authority"]["found"]


def test_cluster_that_does_not_answer_is_told_by_both(product, cli, tmp_path):
    away = tmp_path / "away.kubeconfig"
    away.write_text(
        product.cluster.admin_kubeconfig.read_text().replace(product.cluster.url, f"https://127.0.0.1:{free_port()}")
    )
    doctor = cli("doctor", "--kubeconfig", away)
    (finding,) = json.loads(doctor.output)

    assert doctor.status == 1
    assert finding["runbook"] == "docs/runbooks.md#api-server-unreachable"
    assert cli("status", "--kubeconfig", away).status == 5


def test_answer_is_json_also_where_credentials_had_to_be_read_anew(product, cli, tmp_path):
    """An API server of another authority: they are, and in vain."""
    context = product.serving_context(begins=real_clock() - DAY, ends=real_clock() + DAY)
    with https_server(context, "{}") as port:
        other = tmp_path / "other.kubeconfig"
        other.write_text(
            product.cluster.admin_kubeconfig.read_text().replace(product.cluster.url, f"https://127.0.0.1:{port}")
        )
        outcome = cli("doctor", "--kubeconfig", other)

    (finding,) = json.loads(outcome.output)
    assert "CERTIFICATE_VERIFY_FAILED" in finding["found"]
    assert outcome.errors == ""


@pytest.mark.parametrize("command", ["doctor", "status"])
def test_namespace_that_cannot_be_one_is_a_wrong_command_line(cli, command):
    outcome = cli(command, "--namespace", "../kube-system")

    assert outcome.status == 2
    assert "'../kube-system' cannot be the name" in outcome.errors


def test_status_says_what_kept_it_from_looking(product, cli):
    outcome = cli("status", "--kubeconfig", product.cluster.kubeconfig_for_user("nobody"))

    assert (outcome.status, json.loads(outcome.output)) == (0, [])
    assert "your rights: you may not list" in outcome.errors


def test_kubeconfig_that_is_none_is_refused_with_its_reason(cli, tmp_path):
    (tmp_path / "none").write_text("none")
    outcome = cli("doctor", "--kubeconfig", tmp_path / "none")

    assert outcome.status == 7
    assert "kubeconfig" in outcome.errors


def test_kubeconfig_that_is_not_there_is_told(cli, tmp_path):
    outcome = cli("doctor", "--kubeconfig", tmp_path / "gone")

    assert outcome.status == 7
    assert f"error: kubeconfig {tmp_path}/gone: there is no such file; give --kubeconfig" in outcome.errors


@pytest.mark.parametrize(
    "arguments",
    [("doctor", "--all"), ("status", "--no-dry-run"), ("doctor", "--dial"), ("status", "--quiet", "--kubeconfig", "x")],
)
def test_options_that_would_do_nothing_are_refused(arguments, tmp_path):
    outcome = Program(home=tmp_path / "home", directory=tmp_path, variables={})(*arguments)

    assert outcome.status == 2
    assert "cluster" in outcome.errors
