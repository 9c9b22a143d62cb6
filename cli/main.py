"""`ca-cli`: the entry point of every process.

- Commands return their exit status, or nothing for 0; whatever they raise is reported in one place.
- Nothing heavy is imported before it is known which command runs.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import click

from cli.commands import COMMANDS
from cli.lazy_group import LazyCommand, LazyGroup

PROGRAM = "ca-cli"
VARIABLE_PREFIX = "CHANCERY"


class Program(LazyGroup):
    """The top of the tree; its help ends with the exit statuses."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click's own answer to it is status 1
            return _reader_left()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from cli.exit_codes import MEANINGS

        with formatter.section("Exit status"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])
        super().format_epilog(ctx, formatter)


_DESCRIPTION = (
    "A certificate authority: signs, serves, renews and revokes certificates, and remembers them.\n\n"
    "Start with `init`, then `serve`; then, in another terminal, `sign`."
)
_EPILOG = "Every option can be set by a variable: CHANCERY_ and its name, or see docs/cli.md."


def make_program(
    name: str = PROGRAM,
    *,
    table: Mapping[str, LazyCommand] = COMMANDS,
    description: str = _DESCRIPTION,
    epilog: str = _EPILOG,
    variable_prefix: str | None = VARIABLE_PREFIX,
) -> Program:
    """A command tree under `name`: that of `ca-cli` itself, or a kubectl plugin's."""
    return Program(
        name,
        table=table,
        help=description,
        epilog=epilog,
        params=[
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_version,
                help="Show the version.",
            )
        ],
        context_settings={
            "help_option_names": ["-h", "--help"],
            "auto_envvar_prefix": variable_prefix,
            "max_content_width": 100,
        },
    )


def run(
    arguments: Sequence[str] | None = None, *, program: str = PROGRAM, tree: Callable[[str], Program] = make_program
) -> int:
    """Runs one command line, those of this process where none is given, and returns its exit status."""
    try:
        outcome = tree(program).main(
            args=None if arguments is None else list(arguments), prog_name=program, standalone_mode=False
        )
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except Exception as err:  # noqa: BLE001  the last place that can say something
        return _report(err, program)
    except KeyboardInterrupt as err:
        return _report(err, program)
    return int(outcome) if isinstance(outcome, int) else 0


def main() -> NoReturn:
    """The console script."""
    sys.exit(run())


def _reader_left() -> int:
    """Nobody reads any more, as after `| head`: no failure, and nothing more to write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _report(error: BaseException, program: str) -> int:
    from cli.failures import report, report_usage

    if isinstance(error, click.Abort):
        return int(report(KeyboardInterrupt(), program))
    if isinstance(error, click.ClickException):
        return int(report_usage(error, program))
    return int(report(error, program))


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from cli.version import version_text

        click.echo(version_text())
        ctx.exit()


if __name__ == "__main__":
    main()
