"""Issuing CAs for some profiles alone, from the command line."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.program import Program, client_variables, serving

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def program(initialised_home: Path, tmp_path: Path) -> Program:
    shutil.copytree(initialised_home, tmp_path / "home")
    return Program(home=tmp_path / "home", directory=tmp_path, variables={})


def reach_stable(program: Program, variables: Mapping[str, str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        status = json.loads(program.succeed("rotate", "issuer", "--status", "--no-wait", "-o", "json", **variables))
        if status["rotation"]["phase"] == "stable":
            return
        assert time.monotonic() < deadline, status
        time.sleep(0.2)


def issuer_of(program: Program, profile: str, directory: str, variables: Mapping[str, str]) -> str:
    names = ["--uri", "spiffe://cluster.local/ns/a/sa/b"] if profile == "workload" else ["--dns", "web.example"]
    made = program.succeed("sign", "--profile", profile, *names, "--out", directory, "-o", "json", **variables)
    return str(json.loads(made)["issuer_id"])


def test_profiles_get_an_issuing_ca_of_their_own_and_give_it_back(program: Program) -> None:
    with serving(program, "--rotation-settle", "1s") as endpoints:
        variables = client_variables(endpoints)
        program.succeed("issuer", "add", "--profile", "workload", "--now", **variables)
        reach_stable(program, variables)
        status = program.succeed("status", "-o", "table", **variables)
        document = json.loads(program.succeed("status", "-o", "json", **variables))
        web, workload = (issuer_of(program, one, one, variables) for one in ("server", "workload"))
        twice = program("issuer", "add", "--profile", "workload", **variables)
        unknown = program("issuer", "add", "--profile", "nothing", **variables)
        request = program.succeed("issuer", "add", "--profile", "client", "--csr-out", "-", **variables)
        program.succeed("issuer", "remove", "--profile", "workload", "--now", **variables)
        again = program("issuer", "remove", "--profile", "server", **variables)

    assert "for workload alone" in status
    assert {one["id"]: one["profiles"] for one in document["issuers"] if one["profile"] == "intermediate"} == {
        web: [],
        workload: ["workload"],
    }
    assert "ca-cli rotate issuer --profile workload" in twice.errors
    assert "no leaf profile 'nothing'" in unknown.errors
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert "under way" in again.errors
    assert 0 not in {twice.status, unknown.status, again.status}


@pytest.mark.parametrize(
    "arguments",
    [
        ("issuer", "add"),
        ("issuer", "add", "--profile", "workload", "--now", "--csr-out", "x"),
        ("issuer", "remove"),
        ("rotate", "root", "--profile", "workload"),
        ("rotate", "issuer", "--profile", "workload", "--certificate", "x"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(lone_cli: Program, arguments: tuple[str, ...]) -> None:
    assert lone_cli(*arguments).status == 2
