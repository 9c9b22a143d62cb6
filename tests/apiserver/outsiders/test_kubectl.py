"""kubectl, straight at the server: what people type."""

import json
import os
import subprocess

import pytest
import yaml

from tests.apiserver.outsiders.conftest import program

pytestmark = pytest.mark.xdist_group("outsiders")

FLUNDER = {
    "apiVersion": "wardle.example.com/v1alpha1",
    "kind": "Flunder",
    "metadata": {"labels": {"app": "demo"}},
    "spec": {"reference": "x"},
}


@pytest.fixture
def kubectl(installation, tmp_path):
    """Runs kubectl as a master and returns what it prints; `fails` where it must fail."""
    kubeconfig = installation.kubeconfig("development")

    def run(*arguments, document=None, fails=False, **environment):
        finished = subprocess.run(
            [program("kubectl"), "--kubeconfig", kubeconfig, "--cache-dir", tmp_path / "cache", *arguments],
            input=None if document is None else json.dumps(document),
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
        )
        assert (finished.returncode != 0) is fails, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    return run


def flunder(name, **spec):
    return {**FLUNDER, "metadata": {**FLUNDER["metadata"], "name": name}, "spec": {**FLUNDER["spec"], **spec}}


def test_resources_are_listed_with_their_short_names(kubectl):
    listed = kubectl("api-resources")

    assert "polr" in listed
    assert "creps" in listed
    assert "wardle.example.com/v1alpha1" in kubectl("api-versions")


def test_objects_are_created_shown_changed_and_deleted(kubectl):
    assert "flunder.wardle.example.com/k1 created" in kubectl("create", "-f", "-", document=flunder("k1"))
    assert "AGE" in kubectl("get", "flunders")
    assert "k1" in kubectl("get", "flunders", "-l", "app=demo", "-o", "name")
    assert json.loads(kubectl("get", "flunder", "k1", "-o", "json"))["spec"]["reference"] == "x"
    assert "Name:         k1" in kubectl("describe", "flunder", "k1")
    assert "labeled" in kubectl("label", "flunder", "k1", "more=1")
    assert "annotated" in kubectl("annotate", "flunder", "k1", "note=1")
    assert "patched" in kubectl("patch", "flunder", "k1", "--type", "merge", "-p", '{"spec":{"reference":"y"}}')
    operations = '[{"op":"replace","path":"/spec/reference","value":"z"}]'
    assert "patched" in kubectl("patch", "flunder", "k1", "--type", "json", "-p", operations)
    assert kubectl("get", "flunder", "k1", "-o", "jsonpath={.spec.reference}") == "z"
    assert "deleted" in kubectl("delete", "flunder", "k1")
    assert "not found" in kubectl("get", "flunder", "k1", fails=True)


def test_apply_from_both_sides(kubectl):
    assert "created" in kubectl("apply", "-f", "-", document=flunder("k2"))
    assert "unchanged" in kubectl("apply", "-f", "-", document=flunder("k2"))
    assert "configured" in kubectl("apply", "-f", "-", document=flunder("k2", reference="changed"))
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", document=flunder("k3"))
    conflicting = kubectl(
        "apply",
        "--server-side",
        "--field-manager",
        "other",
        "-f",
        "-",
        document=flunder("k3", reference="q"),
        fails=True,
    )
    assert 'conflict with "kubectl"' in conflicting
    assert "deleted" in kubectl("delete", "flunders", "k2", "k3")


def test_explain_reads_the_openapi_document(kubectl):
    assert "Name of a flunder or fischer." in kubectl("explain", "flunders.spec.reference")
    explained = kubectl("explain", "policyreports.results", "--api-version", "wgpolicyk8s.io/v1alpha2")
    assert "-required-" in explained
    assert "deletionTimestamp" in kubectl("explain", "flunders.metadata")


def test_edit_and_replace(kubectl, tmp_path):
    kubectl("create", "-f", "-", document=flunder("k4"))
    editor = tmp_path / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/reference: x/reference: edited/' \"$1\"\n")
    editor.chmod(0o700)

    assert "edited" in kubectl("edit", "flunder", "k4", EDITOR=str(editor))
    document = yaml.safe_load(kubectl("get", "flunder", "k4", "-o", "yaml"))
    document["spec"]["reference"] = "replaced"
    assert "replaced" in kubectl("replace", "-f", "-", document=document)
    kubectl("delete", "flunder", "k4")


def test_validation_paging_selectors_and_dry_run(kubectl):
    own = "--namespace=paging"  # not where other tests of this server have theirs
    strict = kubectl("create", "--validate=strict", "-f", "-", document={**flunder("k5"), "bogus": 1}, fails=True)
    assert 'unknown field "bogus"' in strict
    for number in range(7):
        kubectl("create", own, "-f", "-", document=flunder(f"p{number}"))
    assert len(kubectl("get", own, "flunders", "--chunk-size=2", "-o", "name").split()) == 7
    assert kubectl("get", own, "flunders", "--field-selector", "metadata.name=p3", "-o", "name").split() == [
        "flunder.wardle.example.com/p3"
    ]
    assert "(server dry run)" in kubectl("create", own, "--dry-run=server", "-f", "-", document=flunder("dry"))
    assert "deleted" in kubectl("delete", own, "flunders", "--all", "--wait=true")
    assert "No resources found" in kubectl("get", own, "flunders")


def test_reports_show_their_columns(kubectl):
    report = {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": "r1"},
        "scope": {"kind": "Pod", "name": "web", "apiVersion": "v1"},
        "summary": {"pass": 3, "fail": 1},
    }
    kubectl("create", "-f", "-", document=report)

    header, row = kubectl("get", "policyreports.wgpolicyk8s.io", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "KIND", "NAME", "PASS", "FAIL", "WARN", "ERROR", "SKIP", "AGE"]
    assert row.split()[:5] == ["r1", "Pod", "web", "3", "1"]
    assert "r1" in kubectl("get", "reports.openreports.io", "-o", "name")
    assert '"kind":"Report"' in kubectl("get", "--raw", "/apis/openreports.io/v1alpha1/namespaces/default/reports/r1")
    kubectl("delete", "policyreports.wgpolicyk8s.io", "r1")


def test_watch_shows_what_happens(kubectl, installation):
    kubeconfig = installation.kubeconfig("development")
    watching = subprocess.Popen(
        [program("kubectl"), "--kubeconfig", kubeconfig, "get", "flunders", "-w", "-o", "name", "-n", "watching"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        kubectl("create", "-n", "watching", "-f", "-", document=flunder("watched"))
        assert watching.stdout is not None
        assert watching.stdout.readline().strip() == "flunder.wardle.example.com/watched"
    finally:
        watching.terminate()
        watching.wait(10)
        watching.stdout.close()
    kubectl("delete", "-n", "watching", "flunder", "watched")


def test_somebody_else_is_told_what_is_forbidden(installation, tmp_path):
    finished = subprocess.run(
        [program("kubectl"), "--kubeconfig", installation.kubeconfig("somebody"), "--cache-dir", tmp_path, "get", "--raw",
         "/apis/wardle.example.com/v1alpha1/flunders"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert finished.returncode != 0
    assert 'User "somebody" cannot list resource "flunders"' in finished.stderr
