"""One token, one key, whichever authority of several on one store is asked first."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ca.authority import Authority
from ca.callers import Caller
from ca.calls import Call
from ca.errors import TokenRefused
from ca.office import Office
from ca.orders import Binding, Order, PodCredential
from ca.policy import Operation
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName
from store.database import open_database
from store.inventory import Inventory
from store.records import CertificateRecord
from tests.ca.offices import Premises, request_for

CART = SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart")


@pytest.fixture
def opened(premises: Premises) -> Iterator[Office]:
    with premises.open() as office:
        yield office


@pytest.fixture
def authorities(opened: Office) -> Iterator[list[Authority]]:
    """Two, each with a connection of its own to the one store."""
    databases = [open_database(opened.settings.database_url) for _ in range(2)]
    yield [
        Authority(
            inventory=Inventory(database),
            issuers=opened.issuers,
            policy=opened.policy,
            revocations=opened.revocations,
            sealing_key=opened.sealing_key,
            settings=opened.settings.issuance,
            clock=opened.clock,
            entropy=opened.entropy,
        )
        for database in databases
    ]
    for database in databases:
        database.close()


def order(jti: str) -> Order:
    return Order(
        call=Call(caller=Caller.for_service_account(CART), id="test"),
        operation=Operation.ISSUE,
        profile="workload",
        request=request_for(),
        binding=Binding(subject=SubjectName(), names=SubjectAlternativeNames.parse(uris=(str(CART),)), exact=False),
        pod=PodCredential(
            namespace="shop",
            service_account="cart",
            pod_name="cart",
            pod_uid="pod-1",
            node_name="node-1",
            credential_id=f"JTI={jti}",
            expires_at=2_000_000_000,
        ),
    )


def test_two_authorities_give_a_token_to_one_key(opened: Office, authorities: list[Authority]) -> None:
    for _ in range(5):
        jti, start = str(uuid.uuid4()), threading.Barrier(4)
        orders = [order(jti) for _ in range(4)]

        def run(number: int, orders: list[Order] = orders, start: threading.Barrier = start) -> object:
            start.wait(20)
            try:
                return authorities[number % 2].issue(orders[number])
            except TokenRefused as err:
                return err

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(run, range(4)))

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CertificateRecord", *["TokenRefused"] * 3]
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, CertificateRecord)]
        assert winner in opened.pod_certificates.of_pod("pod-1")
    assert len(opened.pod_certificates.of_pod("pod-1")) == 5


def test_what_is_remembered_ends_with_token_and_certificate(opened: Office, authorities: list[Authority]) -> None:
    record = authorities[0].issue(order("one"))

    assert opened.pod_certificates.purge(record.not_after + 1) == 0, "the token lives longer"
    assert opened.pod_certificates.purge(2_000_000_001) == 1
