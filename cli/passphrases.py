"""Secrets on their way in: from a file, standard input, a variable, or a question; never from an argument.

- Argument vectors are public: any process may read them.
- A file's trailing line break is not part of the secret.
"""

import sys
from pathlib import Path

import click

from cli import ambient
from cli.errors import InputInvalid, InputMissing, SecretMissing
from cli.inputs import STANDARD_INPUT

_MAXIMUM_OCTETS = 16_384
_LINE_BREAKS = b"\r\n"
"""Not part of a secret at its ends: the same Secret of a cluster may be a file here and a variable there."""


def read_secret(what: str, *, file: Path | None, variable: str, option: str, confirm: bool = False) -> bytes:
    """The secret called `what`; asked for, twice with `confirm`, where neither file nor variable is given.

    Raises SecretMissing, InputMissing, InputInvalid.
    """
    found = find_secret(what, file=file, variable=variable)
    if found is not None:
        return found
    if not ambient.is_interactive():
        raise SecretMissing(f"the {what} is not given; name a file with {option}, or set {variable}")
    answer: str = click.prompt(what[:1].upper() + what[1:], hide_input=True, confirmation_prompt=confirm, err=True)
    return answer.encode()


def find_secret(what: str, *, file: Path | None, variable: str) -> bytes | None:
    """As `read_secret`, without a question; None where nothing says where the secret is."""
    if file is not None:
        return _from_file(what, file)
    value = ambient.environment(variable)
    if value is None:
        return None
    secret = value.encode().strip(_LINE_BREAKS)
    if not secret:
        raise InputInvalid(f"{variable} is empty; it should hold the {what}")
    return secret


def _from_file(what: str, file: Path) -> bytes:
    try:
        if file == STANDARD_INPUT:
            content = sys.stdin.buffer.read(_MAXIMUM_OCTETS + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(_MAXIMUM_OCTETS + 1)
    except FileNotFoundError as err:
        raise InputMissing(f"{file}, which should hold the {what}, does not exist") from err
    secret = content.strip(_LINE_BREAKS)
    if not secret or len(content) > _MAXIMUM_OCTETS:
        raise InputInvalid(
            f"{file} is {'too large' if secret else 'empty'}; it should hold the {what} and nothing else"
        )
    return secret
