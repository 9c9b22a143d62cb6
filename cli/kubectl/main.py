"""`kubectl-chancery`: kubectl finds it on the PATH and runs it as `kubectl chancery`.

- `kubectl_complete-chancery` beside it completes command lines for kubectl's own completion.
"""

import sys
from typing import NoReturn

import click

from cli.kubectl.table import COMMANDS
from cli.main import Program, make_program, run

PROGRAM = "kubectl chancery"
_NO_FILES = ":4"
"""What kubectl's completion reads last: cobra's ShellCompDirectiveNoFileComp."""


def make_plugin(name: str = PROGRAM) -> Program:
    return make_program(
        name,
        table=COMMANDS,
        description=(
            "The certificate authority of a Kubernetes cluster, from a workstation with a kubeconfig.\n\n"
            "What you ask runs in the authority's pod: you need the right to `create` `pods/exec` there."
        ),
        epilog="Options follow the command: kubectl chancery status --namespace chancery. See docs/kubectl.md.",
        variable_prefix=None,
    )


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(program=PROGRAM, tree=make_plugin))


def complete() -> None:
    """The console script for completion: candidates, one to a line, for the words that it is given."""
    from click.shell_completion import ShellComplete

    *words, incomplete = sys.argv[1:] or [""]
    for item in ShellComplete(make_plugin(), {}, PROGRAM, "").get_completions(words, incomplete):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(_NO_FILES)


if __name__ == "__main__":
    main()
