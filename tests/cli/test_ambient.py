"""The ambient world as the program sees it."""

import subprocess
import sys
from pathlib import Path

import pytest

from ca.transport import FORCE_TLS_1_3
from cli import ambient
from tests.cli.program import COMMAND, Program

REPOSITORY = Path(__file__).parents[2]


def test_server_takes_from_grpc_what_the_listeners_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FORCE_TLS_1_3:
        monkeypatch.delenv(name, raising=False)

    ambient.require_tls_1_3()

    assert {name: ambient.environment(name) for name in FORCE_TLS_1_3} == dict(FORCE_TLS_1_3)


def test_home_is_where_the_variable_says_or_below_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHANCERY_HOME", "")
    default = ambient.home()
    monkeypatch.setenv("CHANCERY_HOME", "~/elsewhere")

    assert default == tmp_path / ".chancery"
    assert ambient.home() == tmp_path / "elsewhere"


def test_clock_is_aware_and_entropy_is_fresh() -> None:
    assert ambient.clock().tzinfo is not None
    assert ambient.entropy(16) != ambient.entropy(16)


def test_reader_that_leaves_early_is_no_failure(cli: Program) -> None:
    for number in range(3):
        cli.succeed("sign", "--dns", "web.example.com", "--out", str(number))
    with cli.start("audit", "list", "--limit", "0") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        status = process.wait(30)

    assert (status, errors) == (0, "")


def test_program_runs_as_a_module_and_under_another_name() -> None:
    printed = subprocess.run(
        [sys.executable, *COMMAND[1:], "--version"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout

    assert printed.startswith("ca-cli ")
