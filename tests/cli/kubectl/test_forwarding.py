"""What is said to the plugin is what the command in the pod is told: no more, no less, and each thing in one word."""

from collections.abc import Sequence

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.commands.list_ import command as list_there
from cli.commands.revoke import command as revoke_there
from cli.commands.rotate import command as rotate_there
from cli.kubectl.errand import administrator_name
from cli.kubectl.forwarding import said_arguments, said_options
from cli.kubectl.table import COMMANDS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def said(command: click.Command, words: Sequence[str]) -> list[str]:
    raw, _, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    options, arguments = list(said_options(command.params, raw)), said_arguments(command.params, raw)
    return [*options, *(["--", *arguments] if arguments else [])]


@pytest.mark.parametrize(
    ("command", "words", "forwarded"),
    [
        (list_there, [], []),
        (list_there, ["-w", "--limit", "5"], ["--limit=5", "--watch"]),
        (list_there, ["--name=--watch"], ["--name=--watch"]),
        (list_there, ["--name", ""], ["--name="]),
        (revoke_there, ["a", "-y", "b"], ["--yes", "--", "a", "b"]),
        (revoke_there, ["--", "--yes"], ["--", "--yes"]),
        (rotate_there, ["issuer", "--now"], ["--now", "--", "issuer"]),
        (rotate_there, ["root", "--status"], ["--status", "--", "root"]),
        (rotate_there, ["root", "--no-wait"], ["--no-wait", "--", "root"]),
        (rotate_there, ["root", "--wait"], ["--wait", "--", "root"]),
    ],
)
def test_what_was_said_goes_on_in_full(command: click.Command, words: list[str], forwarded: list[str]) -> None:
    assert said(command, words) == forwarded


@given(name=TEXTS, requester=TEXTS)
def test_value_never_becomes_an_option(name: str, requester: str) -> None:
    words = said(list_there, [f"--name={name}", f"--requester={requester}"])

    assert words == [f"--name={name}", f"--requester={requester}"]
    there, _, _ = list_there.make_parser(click.Context(list_there)).parse_args(list(words))
    assert (there["name"], there["requester"]) == (name, requester)


@given(st.lists(TEXTS, min_size=1))
def test_argument_never_becomes_an_option(ids: list[str]) -> None:
    there, _, _ = revoke_there.make_parser(click.Context(revoke_there)).parse_args(said(revoke_there, ["--", *ids]))

    assert list(there["certificate_ids"]) == ids
    assert there.get("yes") is not True


@given(st.text())
def test_every_user_has_a_name_that_a_certificate_can_hold(user: str) -> None:
    name = administrator_name(user)

    assert name.startswith("kubectl:")
    assert len(name) <= 64
    assert name.isprintable()


def test_long_names_keep_both_ends_and_stay_apart() -> None:
    names = {administrator_name(f"system:serviceaccount:{'n' * 60}{one}:deployer") for one in "ab"}

    assert len(names) == 2
    assert all(name.startswith("kubectl:system:serviceaccou") for name in names)
    assert all(":deployer#" in name for name in names)
    assert administrator_name("") == "kubectl:unknown"


@pytest.mark.parametrize("name", COMMANDS)
def test_table_and_command_agree_and_each_gives_examples(name: str) -> None:
    command = COMMANDS[name].load()

    assert command.name == name
    assert command.short_help == COMMANDS[name].summary
    assert f"kubectl chancery {name}" in (command.epilog or "")
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help


@pytest.mark.parametrize("name", ["list", "inspect", "revoke", "rotate"])
def test_neither_identity_nor_file_nor_address_is_asked_for(name: str) -> None:
    names = {parameter.name for parameter in COMMANDS[name].load().params}

    assert names.isdisjoint(
        {"server", "identity", "client_key", "local_administrator", "csr_out", "certificate", "passphrase_file"}
    )
    assert {"namespace", "context", "kubeconfig", "output", "selector"} <= names
