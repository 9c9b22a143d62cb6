"""`kubectl chancery revoke`."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli import ambient
from cli.commands.revoke import command as original
from cli.errors import Unconfirmed
from cli.kubectl.errand import Errand
from cli.kubectl.forwarding import forwarded
from cli.kubectl.table import COMMANDS
from cli.text import printable


def _confirm(errand: Errand, said: Mapping[str, Any], arguments: Sequence[str]) -> Sequence[str]:
    """Asked here, where somebody may sit; the pod has nobody to ask. Raises Unconfirmed, click's Exit with the pod's status."""
    if said.get("yes") is True or not ambient.is_interactive():
        return ()
    for certificate_id in arguments:
        status, found = errand.ask(["inspect"], [], [certificate_id])
        if status:
            raise click.exceptions.Exit(status)
        click.echo(printable(f"{certificate_id}  {_whose(found)}"), err=True)
    if not click.confirm("Revoke for good?", err=True):
        raise Unconfirmed("nothing was revoked")
    return ("--yes",)


def _whose(found: object) -> str:
    leaf = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
    return str(leaf.get("subject") or leaf.get("names") or "")


command = forwarded(
    original,
    summary=COMMANDS["revoke"].summary,
    description=(
        "Revoke certificates by ID or serial number. It cannot be undone.\n\n"
        "Asks first; where there is nobody to ask, --yes must be said."
    ),
    examples=(
        "kubectl chancery revoke 13c7c1c83c5d9599db82a9a7a744a4c0 --reason key-compromise",
        "kubectl chancery list --name web.shop.svc --output name | xargs kubectl chancery revoke --yes",
    ),
    before=_confirm,
)
