"""The reference page of the command line, made from the commands themselves: `python -m cli.reference > docs/cli.md`."""

from collections.abc import Iterator

import click

from cli.exit_codes import MEANINGS
from cli.main import PROGRAM, VARIABLE_PREFIX, make_program

_WIDTH = 100


def reference() -> str:
    """The whole page, Markdown."""
    program = make_program()
    context = _context(program, PROGRAM, None)
    return "\n".join([*_introduction(), *_help_of(program, context), *_sections(program, context)]).rstrip() + "\n"


def _introduction() -> Iterator[str]:
    yield "# The command line"
    yield ""
    yield "Made from `--help` by `python -m cli.reference`; a test compares."
    yield ""
    yield "## Exit status"
    yield ""
    yield "| status | meaning |"
    yield "|---|---|"
    yield from (f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items())
    yield ""
    yield "`needs-renewal` has its own: 0 due, 1 not due, 2 no such file, 255 anything else."
    yield ""
    yield "## Output"
    yield ""
    yield "On a terminal a table; in a pipe plain columns, PEM or a token alone, as each command says. `--output json` and"
    yield "`--output yaml` use the field names of the API. What a person should know beside it goes to standard error."
    yield ""


def _sections(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = _context(command, name, context)
        yield from _help_of(command, inner)
        if isinstance(command, click.Group):
            yield from _sections(command, inner)


def _help_of(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}"
    yield ""
    yield "```text"
    yield from (line.rstrip() for line in command.get_help(context).splitlines())
    yield "```"
    yield ""
    variables = _variables(command, context)
    if variables:
        yield "Variables: " + ", ".join(f"`{option}` {variable}" for option, variable in variables) + "."
        yield ""


def _variables(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Each option with the variable that stands for it, as click looks them up."""
    found = []
    for parameter in command.params:
        if (
            not isinstance(parameter, click.Option)
            or not (parameter.expose_value and parameter.name)
            or parameter.hidden
        ):
            continue
        variable = parameter.envvar or f"{context.auto_envvar_prefix}_{parameter.name.upper()}"
        found.append((max(parameter.opts, key=len), f"`{variable}`"))
    return found


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        auto_envvar_prefix=None if parent else VARIABLE_PREFIX,
        help_option_names=["-h", "--help"],
    )


if __name__ == "__main__":
    click.echo(reference(), nl=False)
