"""`kubectl chancery list`."""

from cli.commands.list_ import command as original
from cli.kubectl.forwarding import forwarded
from cli.kubectl.table import COMMANDS

command = forwarded(
    original,
    summary=COMMANDS["list"].summary,
    description="List what was issued, newest first, or watch it being issued, for an hour at most.",
    examples=(
        "kubectl chancery list",
        "kubectl chancery list --state valid --expires-within 7d",
        "kubectl chancery list --name web.shop.svc --output json",
        "kubectl chancery list --watch --profile workload",
    ),
)
