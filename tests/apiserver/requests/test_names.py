"""Names of objects, labels and finalizers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.requests.names import (
    generated_name,
    label_faults,
    label_value_faults,
    qualified_name_faults,
    subdomain_faults,
)


@pytest.mark.parametrize("name", ["a", "a.b", "a-b.c-d", "0", "a" * 253])
def test_subdomains_are_names(name):
    assert subdomain_faults(name) == []


@pytest.mark.parametrize("name", ["", "A", "a_b", "a..b", ".a", "a.", "-a", "a/b", "..", "ä", "a b", "a" * 254, "a\n"])
def test_what_is_no_subdomain_is_no_name(name):
    assert subdomain_faults(name)


def test_label_has_no_dots():
    assert label_faults("default") == []
    assert label_faults("a.b")
    assert label_faults("a" * 64)


@pytest.mark.parametrize("name", ["a", "example.com/A_b.c", "x/y"])
def test_qualified_names(name):
    assert qualified_name_faults(name) == []


@pytest.mark.parametrize("name", ["", "/a", "a/", "a/b/c", "UP.com/a", "a b", "é"])
def test_what_is_no_qualified_name(name):
    assert qualified_name_faults(name)


def test_label_values_may_be_empty():
    assert label_value_faults("") == []
    assert label_value_faults("a_B.c-1") == []
    assert label_value_faults("a/b")
    assert label_value_faults("-a")


def test_generated_name_is_base_and_five_fair_characters():
    octets = iter(bytes([255, 0, 26, 1, 2, 3]))  # 255 would favour the first characters and is drawn again

    assert generated_name("report-", lambda count: bytes([next(octets)])) == "report-b9cdf"


@given(st.text("abc-", max_size=300))
def test_generated_names_fit_into_a_label(base):
    name = generated_name(base, bytes)

    assert len(name) <= 63
    assert name.endswith("bbbbb")
