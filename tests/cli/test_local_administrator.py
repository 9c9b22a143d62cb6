"""`--local-administrator`: by word of the server on this machine, for one command, by a key that is written nowhere."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Program, client_variables, serving


@pytest.fixture
def lone(initialised_home: Path, tmp_path: Path) -> Iterator[Program]:
    """Where a server runs and nobody has an identity."""
    shutil.copytree(initialised_home, tmp_path / "home", ignore=shutil.ignore_patterns("identity"))
    program = Program(home=tmp_path / "home", directory=tmp_path, variables={})
    with serving(program) as endpoints:
        yield Program(home=program.home, directory=tmp_path, variables=client_variables(endpoints))


def files_of(program: Program) -> set[str]:
    return {str(path.relative_to(program.directory)) for path in program.directory.rglob("*")}


def test_command_runs_without_an_identity_and_leaves_none(lone: Program) -> None:
    before = files_of(lone)

    status = json.loads(lone.succeed("status", "--output", "json", "--local-administrator", "kubectl:alice"))

    assert status["trust_domain"] == "cluster.local"
    assert {name for name in files_of(lone) - before if not name.endswith(("-wal", "-shm"))} == set()


def test_audit_names_whom_the_asker_says_he_is(lone: Program) -> None:
    (certificate,) = json.loads(
        lone.succeed("list", "--limit", "1", "--output", "json", "--local-administrator", "kubectl:alice")
    )
    lone.succeed("revoke", certificate["id"], "--yes", "--local-administrator", "kubectl:bob")

    events = json.loads(lone.succeed("audit", "list", "--output", "json", "--local-administrator", "kubectl:carol"))
    (revocation,) = [one for one in events if one["action"] == "certificate.revoke"]
    assert revocation["actor"] == "CN=kubectl:bob,O=chancery:administrators"


def test_where_no_server_runs_it_says_so(lone_cli: Program) -> None:
    outcome = lone_cli("status", "--local-administrator", "kubectl:alice")

    assert outcome.status == 5
    assert "no server runs on" in outcome.errors


def test_name_that_no_certificate_can_have_is_refused(lone: Program) -> None:
    for name in ("x" * 65, "alice\nbob"):
        outcome = lone("status", "--local-administrator", name)

        assert outcome.status == 6, outcome
        assert "common_name" in outcome.errors
