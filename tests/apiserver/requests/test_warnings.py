"""Warnings as headers."""

from hypothesis import given
from hypothesis import strategies as st

from apiserver.requests.warnings import WarningHeaders


def values(*texts):
    warnings = WarningHeaders()
    for text in texts:
        warnings.add(text)
    return warnings.values


def test_text_is_quoted():
    assert values('unknown field "a\\b"') == ['299 - "unknown field \\"a\\\\b\\""']


def test_each_is_told_once_in_order():
    assert values("b", "a", "b") == ['299 - "b"', '299 - "a"']


def test_there_are_never_too_many():
    assert sum(map(len, values(*(f"unknown field {number}" for number in range(10_000))))) < 8192


@given(st.lists(st.text(max_size=600), max_size=20))
def test_no_text_can_break_a_header(texts):
    assert all("\r" not in value and "\n" not in value for value in values(*texts))
