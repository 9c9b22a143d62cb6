"""`kubectl chancery reports` reads what our server keeps, through kube-apiserver, as the user of the kubeconfig."""

import json
from typing import Any

import pytest

from cli.kubectl.main import PROGRAM, make_plugin
from cli.main import run
from tests.apiserver.client import REPORTS
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES


def reports(capsys: pytest.CaptureFixture[str], kubeconfig: object, *words: str) -> tuple[int, Any, str]:
    status = run(["reports", "--kubeconfig", str(kubeconfig), *words], program=PROGRAM, tree=make_plugin)
    captured = capsys.readouterr()
    return status, json.loads(captured.out or "null"), captured.err


def test_reports_are_counted_out_of_the_storage_api(cluster, namespace, capsys):
    results = [
        {"policy": "p", "result": "fail", "severity": "high"},
        {"policy": "q", "result": "pass", "severity": "high"},
    ]
    document = {"metadata": {"name": "web"}, "scope": {"kind": "Pod", "name": "web-0"}, "results": results}
    made = cluster.admin.create(f"{REPORTS}/namespaces/{namespace}/policyreports", document)
    assert made.status == 201, made.octets

    status, (found,), _ = reports(capsys, cluster.admin_kubeconfig, "--namespace", namespace)

    assert status == 0
    assert (found["name"], found["subject"]) == ("web", "Pod/web-0")
    assert (found["results"]["fail"], found["results"]["pass"], found["severities"]["high"]) == (1, 1, 1)


def test_who_may_not_read_reports_is_told(cluster, namespace, capsys):
    nobody = cluster.kubeconfig_for_user("nobody-of-the-plugin")

    status, _, errors = reports(capsys, nobody, "--namespace", namespace)

    assert status == 4
    assert 'User "nobody-of-the-plugin" cannot list resource "policyreports"' in errors
