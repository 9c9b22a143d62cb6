"""What standard output gets: a table on a terminal, aligned columns in a pipe, or a document for programs.

- `--output` overrides what was found out about standard output.
- json and yaml hold the field names of the API; a list is an array, and one object to a line where it is a stream.
- The library that draws is loaded where something is drawn.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

import click
from click.core import ParameterSource

from cli import ambient
from cli.text import printable

Document: TypeAlias = "dict[str, Document] | list[Document] | str | int | float | bool | None"
RowT = TypeVar("RowT")


_LISTS = ("table", "plain", "json", "yaml", "name")


class OutputFormat(StrEnum):
    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    PEM = "pem"


def output_choice(*formats: str, piped: str = OutputFormat.PLAIN) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--output`, limited to what the command can show; the command gets `output: OutputFormat`.

    `piped` is the format where standard output is not a terminal and none was asked for.
    """

    def settle(_context: click.Context, _parameter: click.Parameter, choice: str | None) -> OutputFormat:
        if choice:
            return OutputFormat(choice)
        return OutputFormat.TABLE if ambient.writes_to_terminal() else OutputFormat(piped)

    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats or _LISTS),
        envvar="CHANCERY_OUTPUT",
        callback=settle,
        help=f"Format; table on a terminal and {piped} in a pipe by default.",
    )


def piped_as_json(output: OutputFormat) -> OutputFormat:
    """For what is a document where nobody asked for a format and nobody reads along, though other uses of the command are not."""
    source = click.get_current_context().get_parameter_source("output")
    is_asked_for = source in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
    return output if is_asked_for or output is OutputFormat.TABLE else OutputFormat.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[RowT]):
    """`style` says how a cell looks on a terminal, in the words of rich; empty for plain.

    What is `whole` is never broken over lines, however narrow the terminal: it is there to be copied.
    """

    title: str
    value: Callable[[RowT], str]
    style: Callable[[RowT], str] | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[RowT]):
    """How rows of one kind are shown: as columns, as documents, or by name alone."""

    columns: Sequence[Column[RowT]]
    document: Callable[[RowT], Document]
    name: Callable[[RowT], str]

    def show(self, rows: Sequence[RowT], output: OutputFormat, *, empty: str = "nothing found") -> None:
        match output:
            case OutputFormat.JSON | OutputFormat.YAML:
                write_document([self.document(row) for row in rows], output)
            case OutputFormat.NAME:
                for row in rows:
                    click.echo(self.name(row))
            case OutputFormat.TABLE if rows:
                self._draw(rows)
            case OutputFormat.TABLE:
                click.echo(empty, err=True)
            case OutputFormat.PLAIN:
                write_aligned([[column.title for column in self.columns], *map(self._cells, rows)])

    def show_one(self, row: RowT, output: OutputFormat) -> None:
        """One row of a stream, as soon as it comes."""
        match output:
            case OutputFormat.JSON:
                click.echo(json.dumps(self.document(row), ensure_ascii=False))
            case OutputFormat.YAML:
                click.echo("---")
                write_document(self.document(row), output)
            case OutputFormat.NAME:
                click.echo(self.name(row))
            case _:
                click.echo("  ".join(self._cells(row)))

    def _cells(self, row: RowT) -> list[str]:
        return [printable(column.value(row)) for column in self.columns]

    def _draw(self, rows: Sequence[RowT]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
        for column in self.columns:
            width = max(len(column.title), *(len(column.value(row)) for row in rows)) if column.whole else None
            table.add_column(column.title, overflow="fold", min_width=width, no_wrap=column.whole)
        for row in rows:
            cells = zip(self._cells(row), self.columns, strict=True)
            table.add_row(*(Text(text, style=column.style(row) if column.style else "") for text, column in cells))
        Console().print(table)


def show_fields(fields: Sequence[tuple[str, str]], document: Document, name: str, output: OutputFormat) -> None:
    """One object: a field to a line, or a document, or its name. Empty fields are left out for people."""
    match output:
        case OutputFormat.JSON | OutputFormat.YAML:
            write_document(document, output)
        case OutputFormat.NAME:
            click.echo(name)
        case _:
            shown = [(label, printable(value)) for label, value in fields if value]
            width = max((len(label) for label, _ in shown), default=0) + 2
            for label, value in shown:
                heading = f"{label}:".ljust(width)
                click.echo(f"{click.style(heading, dim=True) if output is OutputFormat.TABLE else heading}{value}")


def write_document(document: Document, output: OutputFormat) -> None:
    if output is OutputFormat.YAML:
        import yaml

        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
        return
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def write_aligned(rows: Iterable[Sequence[str]]) -> None:
    """Columns apart by at least two spaces, none after the last; an empty cell is shown as a dash, for awk."""
    lines = [[cell or "-" for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def notice(message: str) -> None:
    """Something a person should know, beside what standard output is for."""
    click.echo(printable(message), err=True)
