"""One listing, five ways to show it."""

import json

import pytest
import yaml

from cli.output import Column, Listing, OutputFormat, show_fields

LISTING: Listing[tuple[str, str]] = Listing(
    columns=(Column(title="NAME", value=lambda row: row[0]), Column(title="WHAT", value=lambda row: row[1])),
    document=lambda row: {"name": row[0], "what": row[1]},
    name=lambda row: row[0],
)
ROWS = [("a", "first\x1b[31m"), ("longer", "")]


def test_plain_columns_are_aligned_and_empty_cells_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    LISTING.show(ROWS, OutputFormat.PLAIN)

    assert capsys.readouterr().out.splitlines() == ["NAME    WHAT", "a       first\\x1b[31m", "longer  -"]


def test_json_is_one_array_and_yaml_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    LISTING.show(ROWS, OutputFormat.JSON)
    as_json = json.loads(capsys.readouterr().out)
    LISTING.show(ROWS, OutputFormat.YAML)
    as_yaml = yaml.safe_load(capsys.readouterr().out)

    assert as_json == as_yaml == [{"name": name, "what": what} for name, what in ROWS]


def test_names_stand_alone_on_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    LISTING.show(ROWS, OutputFormat.NAME)

    assert capsys.readouterr().out == "a\nlonger\n"


def test_table_has_titles_and_escapes_foreign_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    LISTING.show(ROWS, OutputFormat.TABLE)

    printed = capsys.readouterr().out
    assert "NAME" in printed
    assert "\x1b[31m" not in printed


def test_what_is_whole_survives_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    narrow: Listing[tuple[str, str]] = Listing(
        columns=(
            Column(title="ID", value=lambda row: row[0], whole=True),
            Column(title="WHAT", value=lambda row: row[1]),
        ),
        document=lambda row: row[0],
        name=lambda row: row[0],
    )

    narrow.show([("0123456789abcdef" * 2, "a long sentence " * 10)], OutputFormat.TABLE)

    assert "0123456789abcdef" * 2 in capsys.readouterr().out


def test_empty_table_says_so_on_standard_error_and_empty_json_is_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    LISTING.show([], OutputFormat.TABLE, empty="none")
    shown = capsys.readouterr()
    LISTING.show([], OutputFormat.JSON)

    assert (shown.out, shown.err) == ("", "none\n")
    assert json.loads(capsys.readouterr().out) == []


def test_stream_is_one_json_object_to_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for row in ROWS:
        LISTING.show_one(row, OutputFormat.JSON)

    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["a", "longer"]


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields([("one", "1"), ("two", "")], {}, "name", OutputFormat.PLAIN)

    assert capsys.readouterr().out == "one: 1\n"
