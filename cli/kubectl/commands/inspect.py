"""`kubectl chancery inspect`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli.commands.inspect import command as original
from cli.kubectl.errand import Errand
from cli.kubectl.forwarding import forwarded
from cli.kubectl.table import COMMANDS

_ID = re.compile(r"[0-9a-f]{32}")


def _verify(_errand: Errand, _said: Mapping[str, Any], arguments: Sequence[str]) -> Sequence[str]:
    """A file is not looked for in the pod. Raises UsageError."""
    for one in arguments:
        if not _ID.fullmatch(one):
            raise click.UsageError(f"{one!r} is no ID; files and servers are for: ca-cli inspect")
    return ()


command = forwarded(
    original,
    summary=COMMANDS["inspect"].summary,
    description="Show what the certificate of that ID or serial number says, with its chain.",
    examples=(
        "kubectl chancery inspect 13c7c1c83c5d9599db82a9a7a744a4c0",
        "kubectl chancery inspect 13c7c1c83c5d9599db82a9a7a744a4c0 --output pem",
    ),
    without=("passphrase_file",),
    before=_verify,
)
