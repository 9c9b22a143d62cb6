"""myca's two paths over HTTP, with curl."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.ca.server import RunningServer


@pytest.fixture
def curl(server: RunningServer, identity: Path) -> Any:
    def run(path: str, *options: str) -> tuple[int, Any]:
        command = ["curl", "-sS", "--cacert", "ca.crt", "--cert", "tls.crt", "--key", "tls.key", "-w", "\n%{http_code}"]
        done = subprocess.run(
            [*command, *options, server.url + path],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=identity,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)

    return run


def test_template_goes_back_as_a_request(curl: Any) -> None:
    status, template = curl("/csr-template")
    assert status == 200

    template |= {"SubjectOrganization": ["Qinghua"], "Version": 1, "SANs": None}
    status, answer = curl("/csr", "--json", json.dumps(template))

    assert status == 202
    assert list(answer) == ["certificateId"]
    status, found = curl(f"/v1/certificates/{answer['certificateId']}")
    assert status == 200
    assert "O=Qinghua" in found["certificate"]["subject"]


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', '{"DNSNames": "one"}', '{"IPAddresses": ["10.0.0"]}'])
def test_body_that_is_no_request_is_refused(curl: Any, body: str) -> None:
    status, problem = curl("/csr", "--json", body)

    assert status == 400
    assert problem["status"] == 400
    assert problem["detail"]


def test_wrong_method_is_told(curl: Any) -> None:
    assert curl("/csr")[0] == 405
    assert curl("/csr-template", "--json", "{}")[0] == 405
