"""Help: complete, with examples, quick to print, and the same as the reference page."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.commands import COMMANDS
from cli.main import make_program
from tests.cli.program import COMMAND, Program

REPOSITORY = Path(__file__).parents[2]
HEAVY = ("grpc", "cryptography", "rich", "sqlalchemy", "aiohttp", "yaml", "google.protobuf", "structlog")


def every_command() -> Iterator[tuple[str, click.Command]]:
    def below(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield f"{prefix}{name}", command
            if isinstance(command, click.Group):
                yield from below(command, f"{prefix}{name} ")

    yield from below(make_program(), "")


@pytest.mark.parametrize("name", COMMANDS)
def test_table_and_command_agree(name: str) -> None:
    command = COMMANDS[name].load()

    assert command.name == name
    assert command.short_help == COMMANDS[name].summary


@pytest.mark.parametrize(
    ("name", "command"), list(every_command()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_explains_itself_and_gives_examples(name: str, command: click.Command) -> None:
    assert command.help
    assert f"ca-cli {name}" in (command.epilog or "")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize(
    ("name", "command"), list(every_command()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_option_takes_a_secret(name: str, command: click.Command) -> None:
    secrets = {"passphrase", "password", "secret"}

    for parameter in command.params:
        takes_value = isinstance(parameter, click.Option) and not parameter.is_flag
        assert not takes_value or parameter.name not in secrets | {"token"}, f"{name} {parameter.name}"


def test_reference_page_is_what_the_help_says() -> None:
    # In a process of its own: click keeps the help option of a command as the first that asked for it spelt it.
    made = subprocess.run(
        [sys.executable, "-m", "cli.reference"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert (REPOSITORY / "docs" / "cli.md").read_text() == made, "run: python -m cli.reference > docs/cli.md"


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    timed = [sys.executable, "-X", "importtime", *COMMAND[1:], *arguments]
    imports = subprocess.run(timed, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stderr

    loaded = {line.rpartition("|")[2].strip() for line in imports.splitlines()}
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_needs_renewal_imports_neither_rpc_nor_store(tmp_path: Path) -> None:
    timed = [sys.executable, "-X", "importtime", *COMMAND[1:], "needs-renewal", str(tmp_path / "none.pem")]
    imports = subprocess.run(timed, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False).stderr

    loaded = {line.rpartition("|")[2].strip() for line in imports.splitlines()}
    assert loaded.isdisjoint(set(HEAVY) - {"cryptography"})


def test_unknown_command_and_option_say_where_the_help_is(lone_cli: Program) -> None:
    for arguments, place in ((("sing",), "ca-cli --help"), (("list", "--bogus"), "ca-cli list --help")):
        outcome = lone_cli(*arguments)

        assert outcome.status == 2
        assert outcome.errors.startswith("ca-cli: error: no such ")
        assert f"hint: see: {place}" in outcome.errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_program(lone_cli: Program, shell: str) -> None:
    assert "_CA_CLI_COMPLETE" in lone_cli.succeed("completion", shell)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ca-cli need", ["plain,needs-renewal"]),
        ("ca-cli sign --profile c", ["plain,client"]),
        ("ca-cli inspect we", ["file,we"]),
        ("ca-cli verify we", ["file,we"]),
        ("ca-cli needs-renewal we", ["file,we"]),
    ],
)
def test_completion_offers_commands_profiles_and_files(words: str, offered: list[str]) -> None:
    environment = {"_CA_CLI_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    completed = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert completed.stdout.splitlines() == offered
