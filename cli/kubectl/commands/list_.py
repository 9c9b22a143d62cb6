"""`kubectl chancery list`."""

from collections.abc import Sequence

from cli.commands.list_ import command as original
from cli.kubectl.errand import Errand
from cli.kubectl.forwarding import forwarded
from cli.kubectl.table import COMMANDS


def _carry_out(errand: Errand, command: Sequence[str], options: Sequence[str], arguments: Sequence[str]) -> int:
    from cli.kubectl.watching import watch

    if "--watch" in options:
        return watch(errand, command, options)
    return errand.run(command, options, arguments)


command = forwarded(
    original,
    summary=COMMANDS["list"].summary,
    description="List what was issued, newest first, or watch it being issued.",
    examples=(
        "kubectl chancery list",
        "kubectl chancery list --state valid --expires-within 7d",
        "kubectl chancery list --name web.shop.svc --output json",
        "kubectl chancery list --watch --profile workload",
    ),
    without=("report_cursors",),
    carry_out=_carry_out,
)
