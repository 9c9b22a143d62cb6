"""One-time tokens in the store. That they are spent once is shown with the inventory, which spends them."""

from dataclasses import replace

import pytest

from store.audit import AuditTrail
from store.errors import AlreadyExists, InvalidPageToken, NotFound
from store.tokens import Tokens
from tests.store.samples import NOW, event, token


def test_token_comes_back_as_it_was_added(tokens: Tokens, audit_trail: AuditTrail) -> None:
    added = token()

    assert tokens.add(added, event("token.create", added.id)) == added
    assert tokens.find(added.id) == added
    assert audit_trail.page(subject_id=added.id).items[0].action == "token.create"


def test_same_id_is_not_added_twice(tokens: Tokens, audit_trail: AuditTrail) -> None:
    added = tokens.add(token(), event())

    with pytest.raises(AlreadyExists):
        tokens.add(token(id=added.id), event())

    assert tokens.find(added.id) == added
    assert audit_trail.verify_chain() == 1


def test_withdrawn_token_stays_for_the_record(tokens: Tokens) -> None:
    added = tokens.add(token(), event())

    withdrawn = tokens.delete(added.id, at=NOW + 1, event=event())

    assert withdrawn == replace(added, deleted_at=NOW + 1)
    assert tokens.find(added.id) == withdrawn
    with pytest.raises(NotFound):
        tokens.delete(added.id, at=NOW + 2, event=event())


def test_unknown_token_is_not_found(tokens: Tokens) -> None:
    with pytest.raises(NotFound):
        tokens.find("unknown")
    with pytest.raises(NotFound):
        tokens.delete("unknown", at=NOW, event=event())


def test_tokens_are_paged_newest_first(tokens: Tokens) -> None:
    added = [tokens.add(token(), event()) for _ in range(5)]

    first = tokens.page(page_size=3)
    second = tokens.page(page_size=3, page_token=first.next_token)

    assert [*first.items, *second.items] == added[::-1]
    assert second.next_token is None
    with pytest.raises(InvalidPageToken):
        tokens.page(page_token="invented")
