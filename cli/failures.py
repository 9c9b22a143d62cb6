"""How a failure is told: one line that says what is wrong, one that says what to do, and a status.

    ca-cli: error: cannot reach localhost:8112: connection refused
    hint: start it with `ca-cli serve`, or name another with --server or CHANCERY_SERVER

- Defects show their kind and message; where they came from is shown with CHANCERY_DEBUG set.
- What a server or a file supplied is shown with its control characters escaped.
"""

import sys
import traceback
from collections.abc import Mapping

import click

from cli import ambient
from cli.exit_codes import ExitCode, exit_code_of
from cli.text import printable

_HINTS: Mapping[str, str] = {
    "SERVER_UNREACHABLE": "start it with `ca-cli serve`, or name another with --server or CHANCERY_SERVER",
    "CONNECTION_REJECTED": "`ca-cli doctor` looks at your identity and at the server's certificate",
    "IDENTITY_MISSING": (
        "`ca-cli init` makes an administrator's; `ca-cli sign --token-file FILE` gets one with a token; "
        "--identity names another directory"
    ),
    "CREDENTIALS_INVALID": "name the directory that holds tls.crt, tls.key and ca.crt",
    "POLICY_DENIED": "to an administrator, `ca-cli policy explain` shows every rule and why it did not match",
    "CERTIFICATE_REQUIRED": "name an identity with --identity or CHANCERY_IDENTITY",
    "CALLER_REVOKED": "ask an administrator for a token, then: ca-cli sign --token-file FILE",
    "TOKEN_REFUSED": "a token works once, and for minutes: `ca-cli token create` makes another",
    "FINGERPRINT_MISMATCH": "on the authority's machine, `ca-cli trust --fingerprint-only` shows the right one",
    "STORE_FULL": "free some space; the server goes on by itself",
    "STORAGE_FULL": "free some space and run the command again",
    "NOT_INITIALISED": "run: ca-cli init",
    "PASSPHRASE_LOST": (
        "name its file with --passphrase-file, or set CHANCERY_PASSPHRASE; nobody can open the keys without it: if it is lost "
        "for good, restore a backup or make a new authority"
    ),
    "WRONG_PASSPHRASE": "it must be the same to the last octet, but for a line break at the end of a file",
}


def report(error: BaseException, program: str) -> ExitCode:
    """Writes the failure to standard error and returns its status."""
    code = exit_code_of(error)
    if code is ExitCode.INTERRUPTED:
        write_error(program, "interrupted")
        return code
    if code is ExitCode.INTERNAL:
        _write_defect(error, program)
        return code
    for line in _messages(error):
        write_error(program, line)
    write_hint(getattr(error, "hint", "") or _HINTS.get(getattr(error, "reason", ""), ""))
    return code


def report_usage(error: click.ClickException, program: str) -> int:
    """The command line could not be understood: says so, and where the help is."""
    message = error.format_message()
    write_error(program, message[:1].lower() + message[1:].rstrip("."))
    context = getattr(error, "ctx", None)
    write_hint(f"see: {context.command_path} --help" if context else f"see: {program} --help")
    return failure_status(context, ExitCode.USAGE)


def failure_status(context: click.Context | None, code: int) -> int:
    """The one status that a command gives for every failure, where it has one; else `code`."""
    return int(getattr(context.command, "failure_status", code)) if context else code


def write_error(program: str, message: str) -> None:
    click.echo(f"{click.style(f'{program}: error:', fg='red', bold=True)} {printable(message)}", err=True)


def write_hint(hint: str) -> None:
    if hint:
        click.echo(f"{click.style('hint:', bold=True)} {printable(hint)}", err=True)


def _messages(error: BaseException) -> tuple[str, ...]:
    """Every fault of an error that gathers several; otherwise its one message."""
    faults: tuple[str, ...] = getattr(error, "faults", ())
    if faults:
        return faults
    if isinstance(error, OSError) and error.strerror:
        return (f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower(),)
    return (str(error) or type(error).__name__,)


def _write_defect(error: BaseException, program: str) -> None:
    if ambient.debugging():
        traceback.print_exception(error, file=sys.stderr)
    write_error(program, f"internal: {type(error).__name__}: {error}")
    write_hint(f"this is a defect; {ambient.DEBUG_VARIABLE}=1 shows where, please report it")
