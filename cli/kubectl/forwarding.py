"""A command of `ca-cli` as one of the plugin: the same options, read here, and run in the authority's pod.

- What was said is read here as there, so that mistakes and `--help` need no cluster; what goes on is what was said, not a default.
- How the authority is reached is no question for the workstation, and neither are files: such options stay behind.
- On a terminal columns, in a pipe JSON.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import click

from cli.kubectl.authority import SELECTOR
from cli.kubectl.errand import Errand
from cli.kubectl.workstation import Workstation, workstation_options
from cli.options import CONNECTION_OPTION_NAMES
from cli.output import OutputFormat, output_choice

_SAID = "cli.kubectl.said"
Before = Callable[[Errand, Mapping[str, Any], Sequence[str]], Sequence[str]]
"""Called with what was said and the arguments; what it returns is said in addition. It may ask, and raise."""


Run = Callable[[Errand, Sequence[str], Sequence[str], Sequence[str]], int]
"""Command, options and arguments, to the exit status."""


class Forwarded(click.Command):
    """Remembers what was said, before defaults and types."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        said, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_SAID] = said
        return super().parse_args(ctx, args)


def forwarded(
    original: click.Command,
    *,
    summary: str,
    description: str,
    examples: Sequence[str],
    without: Collection[str] = (),
    before: Before | None = None,
    carry_out: Run = Errand.run,
) -> click.Command:
    """The command under the same name. `without` names parameters that stay behind."""
    name = original.name or ""
    ours = [one for one in original.params if one.name not in {*CONNECTION_OPTION_NAMES, *without, "output"}]

    def run(workstation: Workstation, *, selector: str, output: OutputFormat, **_given: object) -> int:
        said = click.get_current_context().meta[_SAID]
        errand = Errand(workstation, selector)
        options, arguments = list(said_options(ours, said)), said_arguments(ours, said)
        if before is not None:
            options += before(errand, said, arguments)
        return carry_out(errand, [name], [*options, f"--output={_there(output)}"], arguments)

    callback = authority_options(output_choice(*_formats(original), piped=OutputFormat.JSON)(run))
    return Forwarded(
        name,
        callback=callback,
        params=[*ours, *_gathered(callback)],
        help=description,
        short_help=summary,
        epilog="\b\nExamples:\n" + "\n".join(f"  {one}" for one in examples),
    )


def authority_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds the options that say which cluster, and which authority in it."""
    selector = click.option(
        "-l",
        "--selector",
        default=SELECTOR,
        metavar="LABELS",
        show_default=True,
        help="Labels of the authority's pods.",
    )
    return workstation_options(selector(command))


def said_options(parameters: Sequence[click.Parameter], said: Mapping[str, Any]) -> Iterator[str]:
    """Each option that was said, in full, with its value in the same word."""
    for one in parameters:
        value = said.get(one.name or "")
        if not isinstance(one, click.Option) or not isinstance(value, (str, bool, list, tuple)):
            continue
        flag = max(one.opts, key=len)
        if one.is_flag:
            yield from _flag(one, flag, value)
        elif isinstance(value, str):
            yield f"{flag}={value}"
        elif not isinstance(value, bool):
            yield from (f"{flag}={each}" for each in value)


def said_arguments(parameters: Sequence[click.Parameter], said: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for one in parameters:
        value = said.get(one.name or "")
        if isinstance(one, click.Argument) and isinstance(value, (str, tuple)):
            found += [value] if isinstance(value, str) else [each for each in value if isinstance(each, str)]
    return found


def _flag(option: click.Option, flag: str, value: object) -> Iterator[str]:
    if value == option.flag_value or (option.is_bool_flag and value is True):
        yield flag
    elif option.is_bool_flag and value is False and option.secondary_opts:
        yield max(option.secondary_opts, key=len)


def _there(output: OutputFormat) -> OutputFormat:
    """There is no terminal in the pod, and no width to fit a table to."""
    return OutputFormat.PLAIN if output is OutputFormat.TABLE else output


def _formats(command: click.Command) -> Sequence[str]:
    for one in command.params:
        if one.name == "output" and isinstance(one.type, click.Choice):
            return [str(choice) for choice in one.type.choices]
    return ()


def _gathered(callback: Any) -> list[click.Parameter]:
    """Those that decorators left on a function, in the order in which click itself has them."""
    return list(reversed(callback.__click_params__))
