"""`list`, `revoke`, `status`, `audit`, `policy`, `trust` and `doctor`, against a real server."""

import json
import re
import threading
from datetime import timedelta
from itertools import islice
from pathlib import Path

from cli import ambient
from cli.commands.list_ import CURSOR_MARK
from cli.diagnosis import Doctor, Severity
from cli.endpoint import Endpoint
from tests.cli.program import Program, serving


def sign(cli: Program, name: str) -> str:
    return cli.succeed("sign", "--dns", name, "--out", name, "-o", "name").strip()


def test_list_finds_by_name_and_counts_to_its_limit(cli: Program) -> None:
    name = f"{cli.directory.parent.name.replace('_', '-')}.example.com"
    issued = [cli.succeed("sign", "--dns", name, "--out", f"{n}", "-o", "name").strip() for n in range(3)]

    everything = cli.succeed("list", "--name", name, "-o", "name").split()
    first = cli("list", "--name", name, "--limit", "2", "-o", "name")
    token = re.search(r"--page-token (\S+)", first.errors)
    assert token is not None
    rest = cli.succeed("list", "--name", name, "--page-token", token[1], "-o", "name").split()

    assert everything == issued[::-1]
    assert first.output.split() + rest == everything


def test_list_filters_by_state_and_expiry(cli: Program) -> None:
    name = f"s-{cli.directory.parent.name.replace('_', '-')}.example.com"
    cli.succeed("sign", "--dns", name, "--ttl", "1h", "--out", "hour")
    day = cli.succeed("sign", "--dns", name, "--out", "day", "-o", "name").strip()
    cli.succeed("revoke", day, "--yes", "--reason", "superseded")

    def listed(*conditions: str) -> list[dict[str, str]]:
        return json.loads(cli.succeed("list", "--name", name, "-o", "json", *conditions))

    assert [one["state"] for one in listed()] == ["revoked", "valid"]
    assert [one["revocation_reason"] for one in listed("--state", "revoked")] == ["superseded"]
    assert len(listed("--expires-within", "2h")) == 1
    assert listed("--expires-within", "5m") == []


def test_watch_shows_what_is_issued_after_it_began(cli: Program) -> None:
    process = cli.start("list", "--watch", "--report-cursors", "-o", "json", GRPC_VERBOSITY="NONE")
    issued: list[str] = []
    shown = threading.Event()

    def sign_until_shown() -> None:
        while not shown.is_set():
            issued.append(sign(cli, f"watched-{len(issued)}.example.com"))

    signer = threading.Thread(target=sign_until_shown)
    signer.start()
    try:
        assert process.stdout is not None
        seen = json.loads(process.stdout.readline())
    finally:
        shown.set()
        signer.join()
        process.terminate()
        _, errors = process.communicate(timeout=30)

    assert seen["id"] in issued
    assert re.match(rf"{CURSOR_MARK}\d+\n", errors)


def test_revoking_needs_a_yes_and_happens_once(cli: Program) -> None:
    certificate_id = sign(cli, "revoked.example.com")

    unconfirmed = cli("revoke", certificate_id)
    revoked = cli("revoke", certificate_id, "--yes", "--reason", "key-compromise", "-o", "json")
    again = cli("revoke", certificate_id, "--yes")

    assert unconfirmed.status == 7
    assert "--yes" in unconfirmed.errors
    assert json.loads(revoked.output)[0]["state"] == "revoked"
    assert again.status == 7
    assert cli("revoke", "0" * 32, "--yes").status == 3


def test_revoked_identity_is_turned_away(cli: Program) -> None:
    certificate_id = cli.succeed("sign", "--profile", "client", "--cn", "eve", "--out", "eve", "-o", "name").strip()
    cli.succeed("template", "--identity", "eve")
    cli.succeed("revoke", certificate_id, "--yes")

    outcome = cli("template", "--identity", "eve")

    assert outcome.status == 4
    assert "revoked" in outcome.errors


def test_status_counts_and_names_what_expires_next(cli: Program) -> None:
    sign(cli, "counted.example.com")

    status = json.loads(cli.succeed("status", "-o", "json"))

    assert status["store"] == "sqlite"
    assert status["certificates_valid"] >= 1
    assert {issuer["profile"] for issuer in status["issuers"]} == {"root", "intermediate"}
    assert status["next_expiry_time"]
    assert cli.succeed("status", "--quiet") == ""


def test_status_without_a_server_is_unavailable(lone_cli: Program) -> None:
    assert lone_cli("status", "--quiet").status == 5


def test_audit_names_actor_and_subject(cli: Program) -> None:
    certificate_id = sign(cli, "audited.example.com")

    events = json.loads(cli.succeed("audit", "list", "--about", certificate_id, "-o", "json"))

    assert [event["action"] for event in events] == ["certificate.issue"]
    assert events[0]["actor"] == "CN=administrator,O=chancery:administrators"
    assert events[0]["details"]["names"] == ["audited.example.com"]


def test_audit_chain_is_walked_beside_a_running_server(tmp_path: Path) -> None:
    program = Program(home=tmp_path / "home", directory=tmp_path, variables={})
    program.succeed("init")
    with serving(program):
        printed = program.succeed("audit", "verify")

    assert re.fullmatch(r"\d+ events, none altered or missing\n", printed)


def test_audit_of_nothing_is_no_success_and_leaves_a_place_for_a_restore(tmp_path: Path) -> None:
    program = Program(home=tmp_path / "home", directory=tmp_path, variables={})
    lost = program("audit", "verify", "--data-directory", tmp_path / "lost")
    (tmp_path / "empty").mkdir(mode=0o700)
    (tmp_path / "empty" / "chancery.db").touch(mode=0o600)
    empty = program("audit", "verify", "--data-directory", tmp_path / "empty")

    assert (lost.status, empty.status) == (7, 7)
    assert "there is no" in lost.errors
    assert "holds no authority" in empty.errors
    assert not (tmp_path / "lost").exists()


def test_policy_explains_itself_by_status_and_sentence(cli: Program) -> None:
    yes = cli("policy", "explain", "--dns", "a.example.com")
    no = cli("policy", "explain", "--as-cn", "mallory", "--profile", "server", "--dns", "a.example.com", "-o", "json")

    assert yes.status == 0
    assert yes.output.startswith("allowed: ")
    assert no.status == 1
    assert json.loads(no.output)["allowed"] is False
    assert json.loads(no.output)["evaluations"]


def test_policy_in_force_passes_its_own_lint(cli: Program) -> None:
    document = cli.succeed("policy", "show")

    assert cli.succeed("policy", "lint", "-", stdin=document.encode()) == "-: no faults found\n"


def test_policy_lint_tells_every_fault(lone_cli: Program) -> None:
    document = "apiVersion: chancery.dev/v1alpha1\nkind: Policy\nrules:\n- {name: a, colour: red}\n- {name: a, effect: maybe}\n"

    outcome = lone_cli("policy", "lint", "-", stdin=document.encode())

    assert outcome.status == 7
    assert outcome.errors.count("error:") >= 2


def test_trust_needs_something_that_vouches(cli: Program, tmp_path: Path) -> None:
    fingerprint = cli.succeed("trust", "--fingerprint-only").strip()
    newcomer = Program(home=tmp_path / "newcomer", directory=cli.directory, variables=cli.variables)

    nothing = newcomer("trust")
    wrong = newcomer("trust", "--fingerprint", "0" * 64)
    pinned = newcomer.succeed("trust", "--fingerprint", f"SHA256:{fingerprint.upper()}")

    assert nothing.status == 4
    assert "--fingerprint" in nothing.errors
    assert wrong.status == 4
    assert fingerprint in wrong.errors
    assert pinned == (cli.home / "identity" / "ca.crt").read_text()


def test_trust_writes_a_file(cli: Program) -> None:
    outcome = cli("trust", "--out", "roots.pem")

    assert outcome.output == ""
    assert (cli.directory / "roots.pem").read_text() == (cli.home / "identity" / "ca.crt").read_text()


def test_doctor_finds_nothing_wrong_with_a_healthy_authority(cli: Program) -> None:
    findings = json.loads(cli.succeed("doctor", "-o", "json"))

    assert {finding["severity"] for finding in findings} == {"ok"}
    assert {finding["check"] for finding in findings} >= {"identity", "served certificate", "clock", "root"}


def test_doctor_says_what_to_do_about_a_loose_key(cli: Program) -> None:
    key = cli.home / "identity" / "tls.key"
    key.chmod(0o644)

    outcome = cli("doctor")

    assert outcome.status == 1
    assert f"do: run: chmod 0600 {key}" in outcome.output


def test_key_that_everybody_can_read_is_told_in_a_warning(cli: Program) -> None:
    key = cli.home / "identity" / "tls.key"
    key.chmod(0o644)

    outcome = cli("list", "--limit", "1")

    assert outcome.status == 0
    assert f"run: chmod 0600 {key}" in outcome.errors


def doctor_of(cli: Program, *, ahead: timedelta) -> Doctor:
    """A doctor on a machine whose clock is ahead."""
    endpoint = Endpoint(
        server=cli.variables["CHANCERY_SERVER"],
        enrollment_server=None,
        http_server=cli.variables["CHANCERY_HTTP_SERVER"],
        identity=cli.home / "identity",
        client_cert=None,
        client_key=None,
        ca_cert=None,
        timeout=timedelta(seconds=10),
        plaintext=False,
    )
    return Doctor(endpoint, lambda: ambient.clock() + ahead)


def test_doctor_names_a_wrong_clock_as_the_cause(cli: Program) -> None:
    findings = {one.check: one for one in doctor_of(cli, ahead=timedelta(days=3)).examine()}

    assert findings["clock"].severity is Severity.PROBLEM
    assert "clock" in findings["served certificate"].advice


def test_doctor_blames_an_expired_identity_for_its_age_alone(cli: Program) -> None:
    identity, chain = islice(doctor_of(cli, ahead=timedelta(days=100)).examine(), 2)

    assert (identity.severity, chain.severity) == (Severity.PROBLEM, Severity.OK)
    assert "expired" in identity.found


def test_doctor_without_identity_or_server_names_both(lone_cli: Program) -> None:
    outcome = lone_cli("doctor", "-o", "json")

    problems = {one["check"] for one in json.loads(outcome.output) if one["severity"] == "problem"}
    assert outcome.status == 1
    assert problems == {"identity", "ready"}
