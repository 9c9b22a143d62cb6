"""`ca-cli completion`."""

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    short_help="Write a completion script for your shell.",
    epilog="""\b
Examples:
  ca-cli completion bash > ~/.local/share/bash-completion/completions/ca-cli
  ca-cli completion zsh > "${fpath[1]}/_ca-cli"
  ca-cli completion fish > ~/.config/fish/completions/ca-cli.fish""",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Write a completion script for SHELL: bash 4.4 or newer, zsh or fish."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    root = context.find_root()
    program = root.info_name or "ca-cli"
    completer = kind(root.command, {}, program, f"_{program.replace('-', '_').upper()}_COMPLETE")
    click.echo(ShellComplete.source(completer))  # not bash's own, which starts a bash to learn its version
