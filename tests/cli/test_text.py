"""Text for people."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.names import RequestedNames, directory_name
from cli.text import instant, joined, printable, relative, span

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.text())
def test_printable_text_cannot_move_a_cursor(text: str) -> None:
    assert printable(text).isprintable()


def test_printable_text_keeps_letters_and_escapes_the_rest() -> None:
    assert printable("Zürich\x1b[2J\n\u202e") == "Zürich\\x1b[2J\\n\\u202e"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "90s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172_800, "2d"), (172_799, "47h"), (-90, "90s")],
)
def test_span_is_in_the_largest_unit_that_fits_twice(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_relative_says_past_and_future() -> None:
    assert relative(NOW + timedelta(hours=5), NOW) == "in 5h"
    assert relative(NOW - timedelta(days=3), NOW) == "3d ago"


def test_instant_is_rfc_3339_with_whole_seconds() -> None:
    assert instant(NOW.replace(microsecond=999_999)) == "2026-01-01T00:00:00Z"
    assert instant(None) == ""


def test_joined_names_say_how_many_are_left_out() -> None:
    assert joined(["a", "b", "c"], limit=2) == "a,b,+1"
    assert joined(["a", "b"], limit=2) == "a,b"


@given(st.text())
def test_directory_name_is_one_harmless_path_component(name: str) -> None:
    component = directory_name(name)

    assert 0 < len(component) <= 64
    assert "/" not in component
    assert not component.startswith(".")
    assert component.isascii()


def test_directory_name_is_what_a_person_expects() -> None:
    assert directory_name("web.example.com") == "web.example.com"
    assert directory_name("*.example.com") == "wildcard.example.com"
    assert directory_name("spiffe://cluster.local/ns/a/sa/b") == "cluster.local_ns_a_sa_b"
    assert directory_name("../../etc/passwd") == "etc_passwd"


def test_first_name_prefers_the_common_name() -> None:
    assert RequestedNames(common_name="alice", dns=("a.example",)).first == "alice"
    assert RequestedNames(ips=("10.0.0.7",), emails=("a@example.com",)).first == "10.0.0.7"
    assert RequestedNames().first == ""
