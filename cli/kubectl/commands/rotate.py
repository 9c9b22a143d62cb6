"""`kubectl chancery rotate`."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli import ambient
from cli.commands.rotate import command as original
from cli.errors import Unconfirmed
from cli.kubectl.errand import Errand
from cli.kubectl.forwarding import forwarded
from cli.kubectl.table import COMMANDS
from cli.output import notice


def _confirm(_errand: Errand, said: Mapping[str, Any], arguments: Sequence[str]) -> Sequence[str]:
    """An emergency is confirmed here, where somebody may sit; the pod has nobody to ask. Raises Unconfirmed."""
    if said.get("emergency") is not True or said.get("yes") is True or not ambient.is_interactive():
        return ()
    notice(
        f"an emergency rotation of the {' '.join(arguments)} takes the old one out of trust at once and revokes every"
    )
    notice("certificate under it: every client and server is refused until it has a new one")
    if not click.confirm("Go on?", err=True):
        raise Unconfirmed("nothing was begun")
    return ("--yes",)


command = forwarded(
    original,
    summary=COMMANDS["rotate"].summary,
    description=(
        "Replace the issuing CA, or the root with the issuing CA below it, while everybody goes on talking to everybody.\n\n"
        "The authority does it, step by step, whether anybody watches or not; `--status` shows where it stands."
    ),
    examples=(
        "kubectl chancery rotate issuer --now",
        "kubectl chancery rotate root --status",
        "kubectl chancery rotate root",
        "kubectl chancery rotate root --abort",
        "kubectl chancery rotate root --emergency",
    ),
    without=("csr_out", "certificate", "wait"),
    before=_confirm,
)
