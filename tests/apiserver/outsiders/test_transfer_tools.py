"""curl and wget, as the README has them."""

import json
import subprocess

import pytest

from tests.apiserver.outsiders.conftest import program

FLUNDERS = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"

pytestmark = pytest.mark.xdist_group("outsiders")


def curl(installation, *arguments, identity=None):
    command = [program("curl"), "-sS", "--cacert", installation.file("development", "ca.crt"), "-w", "\n%{http_code}"]
    if identity is not None:
        bundle = f"{installation.file(identity, 'tls.p12')}:{installation.passphrase}"
        command += ["--cert-type", "P12", "--cert", bundle]
    finished = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, timeout=30)
    body, _, status = finished.stdout.rpartition("\n")
    return int(status), body


def test_curl_with_a_bundle_creates_and_reads(installation):
    body = json.dumps({"metadata": {"name": "by-curl"}, "spec": {"reference": "x"}})
    url = installation.url + FLUNDERS

    created, _ = curl(installation, "-H", "Content-Type: application/json", "-d", body, url, identity="development")
    status, document = curl(installation, f"{url}/by-curl", identity="development")

    assert (created, status) == (201, 200)
    assert json.loads(document)["spec"] == {"reference": "x"}
    assert document.startswith("{\n  ")


def test_curl_as_somebody_else_is_forbidden_and_as_nobody_unauthorized(installation):
    url = installation.url + FLUNDERS

    assert curl(installation, url, identity="somebody")[0] == 403
    assert curl(installation, url)[0] == 401
    assert curl(installation, f"{installation.url}/readyz") == (200, "ok")


def test_curl_without_the_root_does_not_trust_the_server(installation):
    finished = subprocess.run(
        [program("curl"), "-sS", installation.url], check=False, capture_output=True, text=True, timeout=30
    )

    assert finished.returncode == 60


def test_curl_takes_tls_1_3_and_nothing_older(installation):
    finished = subprocess.run(
        [program("curl"), "-sS", "--tls-max", "1.2", "--cacert", installation.file("development", "ca.crt"), installation.url],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip

    assert finished.returncode == 35


def test_wget_with_files_reads(installation):
    command = [
        program("wget"), "-q", "-O", "-", "--ca-certificate", installation.file("development", "ca.crt"),
        "--certificate", installation.file("development", "tls.crt"),
        "--private-key", installation.file("development", "tls.key"), f"{installation.url}/apis",
    ]  # fmt: skip

    finished = subprocess.run(command, check=True, capture_output=True, timeout=30)

    assert json.loads(finished.stdout)["kind"] == "APIGroupList"
