"""The inventory against a model of it: plain dictionaries, and the rules of the contract written down again."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from store.audit import AuditTrail
from store.database import open_database
from store.errors import AlreadyRevoked, DuplicateSerial, NotFound, TokenExpired, TokenSpent
from store.inventory import Inventory
from store.private_keys import PrivateKeys
from store.records import CertificateFilter, CertificateRecord, Issuance
from store.tokens import Tokens
from tests.store.samples import ALICE, BOB, NOW, event, issuance, token

few = st.integers(0, 5)
orders = st.fixed_dictionaries(
    {
        "requester": st.sampled_from([ALICE, BOB]),
        "request_id": st.none() | few.map("request-{}".format),
        "serial": st.none() | few,
        "token": st.none() | st.integers(0, 7),
        "key": st.booleans(),
        "not_after": st.sampled_from([NOW - 1, NOW, NOW + 9]),
        "name": few,
    }
)


class InventoryMachine(RuleBasedStateMachine):
    """`make_url` makes the address of a new database for each run."""

    make_url: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self._location = self.make_url()
        self._url = self._location.__enter__()
        self._open()
        self.records: list[CertificateRecord] = []
        self.tokens: dict[str, str] = {}
        self.revocations: list[bytes] = []
        self.events = 0
        self._numbers = itertools.count()

    def _open(self) -> None:
        self.database = open_database(self._url)
        self.inventory = Inventory(self.database)

    def teardown(self) -> None:
        self.database.close()
        self._location.__exit__(None, None, None)

    @initialize()
    def add_tokens(self) -> None:
        for number in range(6):
            expires_at = NOW if number == 0 else NOW + 1
            Tokens(self.database).add(token(id=f"token-{number}", expires_at=expires_at), event())
            self.tokens[f"token-{number}"] = "expired" if number == 0 else "good"
            self.events += 1

    @rule(batch=st.lists(orders, max_size=5))
    def record(self, batch: list[dict[str, Any]]) -> None:
        issuances = [self._issuance(order) for order in batch]

        outcomes = self.inventory.record(issuances)

        assert len(outcomes) == len(issuances)
        for one, outcome in zip(issuances, outcomes, strict=True):
            self._compare(one, outcome)

    def _issuance(self, order: dict[str, Any]) -> Issuance:
        chosen = {} if order["serial"] is None else {"serial": bytes([1, order["serial"]]) * 8}
        return issuance(
            requester=order["requester"],
            request_id=order["request_id"],
            token_id=None if order["token"] is None else f"token-{order['token']}",
            sealed=b"sealed" if order["key"] else None,
            not_after=order["not_after"],
            names=(("dns", f"name-{order['name']}"),),
            **chosen,
        )

    def _compare(self, asked: Issuance, outcome: object) -> None:
        record = asked.certificate
        earlier = [
            one
            for one in self.records
            if record.request_id is not None
            and (one.requester, one.request_id) == (record.requester, record.request_id)
        ]
        if earlier:
            assert outcome == earlier[0]
        elif any(one.serial == record.serial for one in self.records):
            assert isinstance(outcome, DuplicateSerial)
        elif record.token_id is not None and self.tokens.get(record.token_id) == "expired":
            assert isinstance(outcome, TokenExpired)
        elif record.token_id is not None and self.tokens.get(record.token_id) != "good":
            assert isinstance(outcome, TokenSpent)
        else:
            expected = replace(record, sequence=len(self.records) + 1, has_private_key=asked.sealed_key is not None)
            assert outcome == expected
            self.records.append(expected)
            self.events += 1
            if record.token_id is not None:
                self.tokens[record.token_id] = "spent"

    @rule(number=st.integers(0, 20), by_serial=st.booleans())
    def revoke(self, number: int, by_serial: bool) -> None:
        if number >= len(self.records):
            with pytest.raises(NotFound):
                self.inventory.revoke("f" * 32, at=NOW, reason=1, event=event())
            return
        record = self.records[number]
        key = record.serial.hex() if by_serial else record.id
        if record.revoked_at is not None:
            with pytest.raises(AlreadyRevoked):
                self.inventory.revoke(key, at=NOW + 1, reason=2, event=event())
            return
        revoked = replace(record, revoked_at=NOW, revocation_reason=1)
        assert self.inventory.revoke(key, at=NOW, reason=1, event=event()) == revoked
        self.records[number] = revoked
        self.revocations.append(record.serial)
        self.events += 1

    @rule(number=st.integers(0, 20))
    def take_key(self, number: int) -> None:
        keys = PrivateKeys(self.database)
        record = self.records[number] if number < len(self.records) else None
        if record is None or not record.has_private_key:
            with pytest.raises(NotFound):
                keys.take(record.id if record else "f" * 32, at=NOW, event=event())
            return
        assert keys.take(record.id, at=NOW, event=event()).sealed == b"sealed"
        self.records[number] = replace(record, has_private_key=False)
        self.events += 1

    @rule()
    def restart(self) -> None:
        self.database.close()
        self._open()

    @rule(
        name=st.none() | few.map("NAME-{}".format),
        requester=st.none() | st.sampled_from([ALICE, BOB]),
        state=st.none() | st.sampled_from(["valid", "expired", "revoked"]),
        page_size=st.integers(1, 4),
    )
    def search(self, name: str | None, requester: str | None, state: Any, page_size: int) -> None:
        conditions = CertificateFilter(name=name, requester=requester, state=state)
        page = self.inventory.search(conditions, now=NOW, page_size=page_size)
        found = list(page.items)
        while page.next_token:
            page = self.inventory.search(conditions, now=NOW, page_size=page_size, page_token=page.next_token)
            found += page.items

        assert found == [
            record
            for record in reversed(self.records)
            if (name is None or record.names[0][1] == name.lower())
            and (requester is None or record.requester == requester)
            and (state is None or _state(record) == state)
        ]

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        assert list(self.inventory.after(0)) == self.records
        counts = self.inventory.counts(now=NOW)
        states = [_state(record) for record in self.records]
        assert (counts.total, counts.valid, counts.revoked) == (
            len(states),
            states.count("valid"),
            states.count("revoked"),
        )
        assert counts.next_expiry == min(
            (record.not_after for record in self.records if _state(record) == "valid"), default=None
        )
        assert [change.serial for change in self.inventory.revocations_after(0)] == self.revocations
        assert AuditTrail(self.database).verify_chain() == self.events


def _state(record: CertificateRecord) -> str:
    if record.revoked_at is not None:
        return "revoked"
    return "expired" if record.not_after < NOW else "valid"


@contextmanager
def sqlite_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        yield f"sqlite://{directory}/chancery.db"


@pytest.mark.slow
def test_sqlite_inventory_is_as_its_model() -> None:
    machine = type("SqliteMachine", (InventoryMachine,), {"make_url": staticmethod(sqlite_url)})

    run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=20, deadline=None))


@pytest.mark.slow
@pytest.mark.postgresql
def test_postgresql_inventory_is_as_its_model(postgresql_server) -> None:
    @contextmanager
    def url() -> Iterator[str]:
        url = postgresql_server.lend_database()
        yield url
        postgresql_server.take_back(url)

    machine = type("PostgresqlMachine", (InventoryMachine,), {"make_url": staticmethod(url)})

    run_state_machine_as_test(machine, settings=settings(max_examples=8, stateful_step_count=20, deadline=None))
