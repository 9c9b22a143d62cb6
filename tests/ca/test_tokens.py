"""One-time tokens: worth one certificate, for those to whom policy would have given it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.callers import Caller
from ca.errors import PolicyDenied, RequestInvalid, TokenNotFound, TokenRefused
from ca.office import Office
from ca.tokens import MAXIMUM_LIFETIME, Grant, TokenDesk, TokenSecret
from certs.names import SubjectAlternativeNames, SubjectName
from store.records import CertificateRecord, TokenRecord
from tests.ca.offices import Premises, administrator, call_of, order_for, request_for, total_of, workload

GRANT = Grant(profile="server", subject=SubjectName(), names=SubjectAlternativeNames.parse(dns=("web.example",)))
ROOT = b"\x07" * 32
MINUTE = timedelta(minutes=1)


def desk_of(office: Office) -> TokenDesk:
    return TokenDesk(tokens=office.tokens, policy=office.policy, clock=office.clock, entropy=office.entropy)


def made(office: Office, grant: Grant = GRANT, lifetime: timedelta = MINUTE) -> tuple[TokenRecord, TokenSecret]:
    return desk_of(office).create(call_of(administrator()), grant, lifetime=lifetime, root_fingerprint=ROOT)


def spend(office: Office, token_id: str, **fields: object) -> CertificateRecord:
    order = order_for("web.example", caller=Caller.for_token(token_id), token_id=token_id, **fields)
    return office.authority.issue(order)


def test_secret_carries_the_root_and_is_not_stored(office: Office) -> None:
    record, secret = made(office)

    assert TokenSecret.parse(str(secret)) == secret
    assert secret.root_fingerprint == ROOT
    assert secret.secret not in (office.settings.data_directory / "chancery.db-wal").read_bytes()
    assert str(secret).split(".")[2] not in repr(secret)
    assert record.id in str(secret)


def test_token_is_redeemed_for_what_it_was_made_for(office: Office) -> None:
    record, secret = made(office)

    found, grant = desk_of(office).redeem(f" {secret}\n")

    assert (found.id, grant) == (record.id, GRANT)


def test_everything_in_a_grant_survives_the_store(office: Office) -> None:
    grant = Grant(
        profile="peer",
        subject=SubjectName(common_name="web", organizations=("A", "B"), countries=("DE",), serial_number="7"),
        names=SubjectAlternativeNames.parse(
            dns=("web.example",), ips=("::1", "10.0.0.1"), uris=("https://web.example/",), emails=("a@b.example",)
        ),
        certificate_lifetime=timedelta(hours=3),
        public_key_sha256=b"\x01" * 32,
    )
    record, secret = made(office, grant)

    assert desk_of(office).redeem(str(secret)) == (record, grant)


def test_unknown_wrong_withdrawn_and_expired_tokens_get_one_answer(premises: Premises) -> None:
    with premises.open() as office:
        desk = desk_of(office)
        withdrawn, withdrawn_secret = made(office, lifetime=timedelta(hours=1))
        desk.delete(call_of(administrator()), withdrawn.id)
        _, good = made(office, lifetime=timedelta(hours=1))
        _, expired = made(office)
        premises.clock.advance(MINUTE)
        texts = [
            str(withdrawn_secret),
            str(expired),
            str(TokenSecret(id="0" * 32, secret=good.secret, root_fingerprint=ROOT)),
            str(TokenSecret(id=good.id, secret=b"\x00" * 32, root_fingerprint=ROOT)),
        ]

        answers = set()
        for text in texts:
            with pytest.raises(TokenRefused) as refused:
                desk.redeem(text)
            answers.add(str(refused.value))

        assert len(answers) == 1
        assert desk.redeem(str(good))


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(TokenRefused):
        TokenSecret.parse(text)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_every_secret_reads_back(identifier: bytes, secret: bytes, root: bytes) -> None:
    token = TokenSecret(id=identifier.hex(), secret=secret, root_fingerprint=root)

    assert TokenSecret.parse(str(token)) == token


def test_second_use_is_refused_and_issues_nothing(office: Office) -> None:
    record, _ = made(office)
    spend(office, record.id)
    before = total_of(office)

    with pytest.raises(TokenRefused, match="ask for a new one"):
        spend(office, record.id)
    assert total_of(office) == before


def test_of_twenty_at_once_one_wins(office: Office) -> None:
    record, _ = made(office)
    before = total_of(office)
    start = threading.Barrier(20)
    requests = [request_for("web.example") for _ in range(20)]

    def try_it(request: bytes) -> bool:
        start.wait(30)
        try:
            spend(office, record.id, request=request)
        except TokenRefused:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        wins = sum(pool.map(try_it, requests))

    assert wins == 1
    assert total_of(office) == before + 1


def test_spent_token_names_its_certificate(office: Office) -> None:
    record, _ = made(office)

    certificate = spend(office, record.id)

    spent = office.tokens.find(record.id)
    assert (spent.certificate_id, spent.spent_at) == (certificate.id, certificate.issued_at)


def test_retry_after_a_lost_answer_returns_the_same_certificate(office: Office) -> None:
    record, _ = made(office)
    request = request_for("web.example")

    first = spend(office, record.id, request=request, request_id="enroll")

    assert spend(office, record.id, request=request, request_id="enroll") == first


def test_token_that_expires_before_it_is_recorded_is_refused(premises: Premises) -> None:
    with premises.open() as office:
        record, _ = made(office)
        premises.clock.advance(MINUTE)

        with pytest.raises(TokenRefused):
            spend(office, record.id)


def test_tokens_are_made_by_administrators_only(office: Office) -> None:
    desk = desk_of(office)
    caller = call_of(workload())

    with pytest.raises(PolicyDenied):
        desk.create(caller, GRANT, lifetime=MINUTE, root_fingerprint=ROOT)
    with pytest.raises(PolicyDenied):
        desk.search(caller, page_size=10, page_token="")
    with pytest.raises(PolicyDenied):
        desk.delete(caller, "0" * 32)


def test_token_is_worth_no_more_than_its_maker(office: Office) -> None:
    masters = Grant(
        profile="peer",
        subject=SubjectName(common_name="x", organizations=("system:masters",)),
        names=GRANT.names,
    )

    with pytest.raises(PolicyDenied, match="system:masters"):
        made(office, masters)


@pytest.mark.parametrize(
    ("grant", "lifetime", "field"),
    [
        (Grant(profile="root", subject=SubjectName(), names=GRANT.names), MINUTE, "profile"),
        (GRANT, timedelta(), "token_lifetime"),
        (GRANT, MAXIMUM_LIFETIME + timedelta(seconds=1), "token_lifetime"),
        (
            Grant(profile="server", subject=SubjectName(), names=GRANT.names, public_key_sha256=b"short"),
            MINUTE,
            "public_key_sha256",
        ),
    ],
)
def test_impossible_grants_are_refused(office: Office, grant: Grant, lifetime: timedelta, field: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        made(office, grant, lifetime)

    assert refused.value.field == field


def test_spent_and_unknown_tokens_cannot_be_withdrawn(office: Office) -> None:
    record, _ = made(office)
    spend(office, record.id)

    for token_id in (record.id, "0" * 32, "zz", "", "é"):
        with pytest.raises(TokenNotFound):
            desk_of(office).delete(call_of(administrator()), token_id)
    assert office.tokens.find(record.id).deleted_at is None


def test_tokens_are_listed_newest_first_page_by_page(premises: Premises) -> None:
    with premises.open() as office:
        ids = [made(office)[0].id for _ in range(3)]
        desk, caller = desk_of(office), call_of(administrator())

        first = desk.search(caller, page_size=2, page_token="")
        second = desk.search(caller, page_size=2, page_token=first.next_token or "")

        assert [token.id for token in (*first.items, *second.items)] == ids[::-1]
        assert second.next_token is None
