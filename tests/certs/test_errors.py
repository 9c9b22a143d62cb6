import re

import pytest

from certs import errors
from certs.errors import CertsError, MalformedName, ProfileViolation, RequestTooLarge, TooManyNames


def _below(cls: type[CertsError]) -> list[type[CertsError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _below(child))]


CLASSES = [cls for cls in _below(CertsError) if cls.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_each_error_has_its_own_upper_snake_reason(cls: type[CertsError]):
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,62}", cls.reason)
    assert [other for other in CLASSES if other.reason == cls.reason] == [cls]


def test_the_docstring_draws_each_error():
    drawn = set(re.findall(r"\b[A-Z][A-Za-z0-9]+\b", errors.__doc__ or ""))

    assert {cls.__name__ for cls in CLASSES} <= drawn


def test_each_error_is_exported_by_the_module_that_draws_it():
    assert {cls.__name__ for cls in CLASSES} == {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, CertsError)
    }


def test_fields_are_metadata_for_programs():
    assert MalformedName("is empty", field="dns", value="x").metadata == {"field": "dns", "value": "x"}
    assert ProfileViolation("no", profile="server", field="names").metadata == {"profile": "server", "field": "names"}
    assert TooManyNames("too many", count=101, limit=100).metadata == {"count": "101", "limit": "100"}
    assert RequestTooLarge("too large", octets=9, limit=8).metadata == {"octets": "9", "limit": "8"}


def test_a_long_value_is_cut_in_the_message():
    error = MalformedName("is too long", field="dns", value="a" * 5000)

    assert len(str(error)) < 200
    assert error.value == "a" * 100 + "…"


def test_a_control_character_does_not_reach_the_message_raw():
    assert "\x1b" not in str(MalformedName("has a control character", field="common_name", value="\x1b[31m"))
