"""Every error of the store can be told apart by a program and acted on by a person."""

import re
from collections.abc import Iterator

import pytest

from store import errors
from store.errors import StoreError
from tests.store.samples import certificate


def leaves(kind: type[StoreError]) -> Iterator[type[StoreError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from leaves(child)


def test_reasons_are_stable_words_and_all_different() -> None:
    reasons = [kind.reason for kind in leaves(StoreError)]

    assert all(re.fullmatch("[A-Z]+(_[A-Z]+)*", reason) for reason in reasons)
    assert len(set(reasons)) == len(reasons)


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert {kind for kind in leaves(StoreError) if kind.retryable} == {
        errors.StoreUnavailable,
        errors.StoreFull,
        errors.IssuerRetired,
        errors.NamesNotRegistered,
    }


def test_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    assert {kind.__name__ for kind in leaves(StoreError)} <= set(re.findall(r"\w+", errors.__doc__))


@pytest.mark.parametrize(
    "error",
    [
        errors.SchemaTooNew(found="9", newest="1"),
        errors.NotFound(kind="token", key="x"),
        errors.AlreadyExists(kind="token", key="x"),
        errors.DuplicateSerial(serial=b"\x01"),
        errors.IssuerRetired("x"),
        errors.AlreadyRevoked(certificate()),
        errors.TokenSpent("x"),
        errors.TokenExpired("x"),
        errors.InvalidPageToken(),
        errors.AuditChainBroken(7),
    ],
)
def test_messages_are_lower_case_without_a_period(error: StoreError) -> None:
    assert re.fullmatch(r"[a-z].*[^.]", str(error))
