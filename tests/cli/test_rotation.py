"""`ca-cli rotate` against a server: begun, watched from outside, followed to its end, and what that leaves."""

import json
import time

import pytest

from tests.cli.program import Program, client_variables, serving
from tests.cli.test_terminal import terminal

_SECONDS = 60


@pytest.fixture
def program(tmp_path):
    made = Program(home=tmp_path / "home", directory=tmp_path, variables={})
    made.succeed("init")
    with serving(made, "--rotation-settle", "1s") as endpoints:
        yield Program(home=made.home, directory=tmp_path, variables=client_variables(endpoints))


def status(program, kind="root"):
    return json.loads(program.succeed("rotate", kind, "--status", "--output", "json"))


def reach(program, phase):
    deadline = time.monotonic() + _SECONDS
    while (found := status(program))["rotation"]["phase"] != phase:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def test_a_root_is_replaced_by_two_commands_and_a_renewal(program):
    begun = json.loads(program.succeed("rotate", "root", "--now", "--output", "json"))
    assert (begun["rotation"]["kind"], begun["rotation"]["haste"]) == ("root", "now")
    signing = reach(program, "signing")
    assert [one["subject"] for one in signing["remaining_certificates"]] == [
        "CN=administrator,O=chancery:administrators"
    ]
    assert "not renewed:" in program.succeed("rotate", "root", "--status", "--output", "table")

    program.succeed("renew")
    followed = json.loads(program.succeed("rotate", "root", "--status", "--wait", "--output", "json"))

    assert (followed["rotation"]["phase"], followed["generation"], followed["waits"]) == ("stable", 3, [])
    program.succeed("renew")
    assert program.succeed("trust", "--fingerprint-only").count("\n") == 1
    shown = program.succeed("status")
    assert [line.split(":")[0] for line in shown.splitlines() if "CN=Chancery" in line] == [
        "root retired",
        "intermediate retired",
        "root passive",
        "cross retired",
        "intermediate active",
    ]


def test_an_emergency_says_what_it_breaks_and_leaves_the_caller_outside(program):
    outcome = program("rotate", "issuer", "--emergency", "--yes")
    assert "revokes every certificate under it" in outcome.errors

    deadline = time.monotonic() + _SECONDS
    while (refused := program("status")).status == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)

    assert refused.status == 4
    assert "revoked" in refused.errors


def test_a_terminal_shows_it_as_it_goes_and_may_look_away(program):
    with terminal(program, "rotate", "issuer", "--now") as screen:
        screen.read_until("issuer, signing")
        screen.read_until("not renewed")
        screen.interrupt()
        screen.end()
    assert status(program)["rotation"]["phase"] == "signing"

    program.succeed("renew")
    with terminal(program, "rotate", "issuer", "--status", "--wait") as screen:
        screen.read_until("issuer, stable")
        assert screen.end() == 0


@pytest.mark.parametrize(
    "orders",
    [
        ("--abort", "--now"),
        ("--now", "--abort"),
        ("--status", "--emergency", "--yes"),
        ("--emergency", "--abort", "--yes"),
        ("--now", "--emergency", "--yes"),
    ],
)
def test_of_two_orders_at_once_neither_is_obeyed(lone_cli, orders):
    refused = lone_cli("rotate", "issuer", *orders)

    assert refused.status == 2
    assert "two orders; give one" in refused.errors


def test_only_what_was_named_is_turned_back_and_only_once(program):
    program.succeed("rotate", "root", "--now", "--no-wait")
    other = program("rotate", "issuer", "--abort", "--no-wait")
    program.succeed("rotate", "root", "--abort", "--no-wait")
    again = program("rotate", "root", "--abort", "--no-wait")

    assert (other.status, again.status) == (7, 7)
    assert "ca-cli rotate root --abort" in other.errors
    assert "being turned back already" in again.errors
