"""How failures are told."""

import pytest

from ca.client.errors import CallDenied
from ca.errors import SettingsInvalid
from cli.failures import report
from tests.cli.program import Program


def test_failure_is_one_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    status = report(CallDenied("no rule allows it", status="PERMISSION_DENIED", reason="POLICY_DENIED"), "ca-cli")

    first, second = capsys.readouterr().err.splitlines()
    assert status == 4
    assert first == "ca-cli: error: no rule allows it"
    assert "`ca-cli policy explain`" in second


def test_foreign_text_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(CallDenied("\x1b]0;owned\x07\nhint: run rm", status="PERMISSION_DENIED"), "ca-cli")

    assert capsys.readouterr().err == "ca-cli: error: \\x1b]0;owned\\x07\\nhint: run rm\n"


def test_every_fault_of_the_settings_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    report(SettingsInvalid(["grpc_port: not a number", "log_level: no such"]), "ca-cli")

    assert len([line for line in capsys.readouterr().err.splitlines() if "error" in line]) == 2


def test_defect_says_so_and_shows_its_origin_only_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report(ZeroDivisionError("oops"), "ca-cli") == 70
    quiet = capsys.readouterr().err
    monkeypatch.setenv("CHANCERY_DEBUG", "1")
    report(ZeroDivisionError("oops"), "ca-cli")

    assert "internal: ZeroDivisionError: oops" in quiet
    assert "Traceback" not in quiet
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_no_identity_says_how_to_get_one(lone_cli: Program) -> None:
    outcome = lone_cli("list")

    assert outcome.status == 4
    assert "there is no identity in" in outcome.errors
    assert "`ca-cli init`" in outcome.errors


def test_no_server_says_how_to_start_one(cli: Program) -> None:
    outcome = cli("list", "--server", "localhost:1")

    assert outcome.status == 5
    assert "cannot reach localhost:1: connection refused" in outcome.errors
    assert "`ca-cli serve`" in outcome.errors


@pytest.mark.parametrize("address", ["localhost:0", "localhost:70000", "a b", "http://x", "[::1"])
def test_address_that_is_none_is_refused(cli: Program, address: str) -> None:
    outcome = cli("list", "--server", address)

    assert outcome.status == 6
    assert "is not an address" in outcome.errors


def test_server_of_another_authority_is_not_trusted(cli: Program, tmp_path: object) -> None:
    other = Program(home=cli.home.parent / "other", directory=cli.directory, variables={})
    other.succeed("init")

    outcome = cli("list", "--ca-cert", other.home / "identity" / "ca.crt")

    assert outcome.status == 4
    assert "the trusted roots do not vouch for" in outcome.errors


def test_http_port_given_as_grpc_port_is_told_apart_from_no_server(cli: Program) -> None:
    outcome = cli("list", "--server", cli.variables["CHANCERY_HTTP_SERVER"])

    assert outcome.status == 5
    assert "closed the connection" in outcome.errors


def test_foreign_identity_is_turned_away(cli: Program) -> None:
    other = Program(home=cli.home.parent / "other", directory=cli.directory, variables={})
    other.succeed("init")

    outcome = cli("list", "--identity", other.home / "identity", "--ca-cert", cli.home / "identity" / "ca.crt")

    assert outcome.status == 5
    assert "refuses the client's certificate" in outcome.errors
