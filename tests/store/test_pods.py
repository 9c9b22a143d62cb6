"""What the store promises about pods: their names, their release, and what is recorded for them; on every engine."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from store.audit import AuditTrail
from store.database import Database, open_database
from store.errors import InvalidPageToken, NamesNotRegistered, PodMismatch, PodReleased
from store.inventory import Inventory
from store.pod_certificates import PodCertificates
from store.pods import Pods
from store.records import AuditEvent, CertificateRecord, HeldCertificate, Issuance, PodCertificate, PodRecord
from tests.store.samples import DAY, NOW, event, issuance, octets

UID = "0c7a8f2e-6d0e-4c1b-9d4e-2f5d3a1b0c9d"
URI = ("uri", "spiffe://cluster.local/ns/shop/sa/web")
WEB = PodRecord(uid=UID, namespace="shop", name="web-0", service_account="web", node_name="node-1")
NAMED = replace(WEB, dns_names=("web.shop.svc", "web.shop.svc.cluster.local"))


@pytest.fixture
def pods(database: Database) -> Pods:
    return Pods(database)


def of_pod(pod: PodRecord = WEB, *, dns: tuple[str, ...] = (), credential_id: str | None = None, **changes) -> Issuance:
    """A certificate for a token of the pod, which asks for DNS names that must be registered."""
    names = (URI, *(("dns", name) for name in dns))
    plain = issuance(names=names, profile="workload", **changes)
    record = plain.certificate
    certificate = PodCertificate(
        certificate_id=record.id,
        pod=replace(pod, dns_names=dns),
        credential_id=credential_id,
        key_fingerprint=record.key_fingerprint,
        expires_at=record.not_after,
    )
    return replace(plain, pod=certificate)


def renewal(before: CertificateRecord, **changes) -> Issuance:
    return issuance(renewed_from=before.id, **{"names": before.names, **changes})


def another(held: CertificateRecord, *names: tuple[str, str]) -> Issuance:
    """What the holder of a certificate asks for by means of it: all of its own names, and some that policy gives it."""
    asked_with = HeldCertificate(serial=held.serial, names=held.names)
    return replace(issuance(names=held.names + names), asked_with=asked_with)


def told(revoked: Sequence[CertificateRecord]) -> list[AuditEvent]:
    return [
        event("pod.release", UID),
        *(event("certificate.revoke", record.id) for record in revoked),
    ]


def release(pods: Pods, uid: str = UID, *, at: int = NOW) -> tuple[CertificateRecord, ...]:
    return pods.release(uid, at=at, reason=5, kept_until=at + 2 * DAY, kept_beyond=3600, events=told)


def living(database: Database, uid: str = UID) -> list[CertificateRecord]:
    return [record for record in PodCertificates(database).of_pod(uid) if record.revoked_at is None]


def test_names_replace_those_of_before(pods: Pods, audit_trail: AuditTrail) -> None:
    pods.register(NAMED, event("pod.register"))
    pods.register(replace(NAMED, dns_names=("other.shop.svc",), node_name="node-2"), event("pod.register"))

    assert pods.find(UID) == replace(NAMED, dns_names=("other.shop.svc",), node_name="node-2")
    assert pods.find("nobody") is None
    assert audit_trail.verify_chain() == 2


@pytest.mark.parametrize(
    "changes",
    [{"namespace": "kube-system"}, {"name": "web-1"}, {"service_account": "admin"}],
    ids=lambda changes: next(iter(changes)),
)
def test_uid_belongs_to_one_pod(
    pods: Pods, inventory: Inventory, audit_trail: AuditTrail, changes: dict[str, str]
) -> None:
    pods.register(NAMED, event())

    with pytest.raises(PodMismatch):
        pods.register(replace(NAMED, **changes), event())
    (outcome,) = inventory.record([of_pod(replace(WEB, **changes))])

    assert isinstance(outcome, PodMismatch)
    assert pods.find(UID) == NAMED
    assert audit_trail.verify_chain() == 1


def test_pod_is_given_registered_names_only(pods: Pods, inventory: Inventory) -> None:
    early, without = inventory.record([of_pod(dns=("web.shop.svc",)), of_pod()])
    pods.register(NAMED, event())
    one, both, beyond = inventory.record(
        [of_pod(dns=("web.shop.svc",)), of_pod(dns=NAMED.dns_names), of_pod(dns=("web.shop.svc", "db.shop.svc"))]
    )

    assert isinstance(early, NamesNotRegistered)
    assert early.names == ("web.shop.svc",)
    assert isinstance(beyond, NamesNotRegistered)
    assert beyond.names == ("db.shop.svc",)
    assert "db.shop.svc" in str(beyond)
    assert all(isinstance(outcome, CertificateRecord) for outcome in (without, one, both))


def test_names_of_one_pod_are_not_anothers(pods: Pods, inventory: Inventory) -> None:
    pods.register(NAMED, event())

    (outcome,) = inventory.record([of_pod(replace(WEB, uid="other"), dns=("web.shop.svc",))])

    assert isinstance(outcome, NamesNotRegistered)


def test_what_a_registrar_has_signed_needs_no_registered_names(inventory: Inventory, database: Database) -> None:
    plain = of_pod(dns=("web.shop.svc",))
    assert plain.pod is not None
    by_registrar = replace(plain, pod=replace(plain.pod, pod=WEB))

    (signed,) = inventory.record([by_registrar])
    (renewed,) = inventory.record([renewal(signed)])

    assert living(database) == [signed]
    assert isinstance(renewed, NamesNotRegistered), "yet it cannot be renewed without the registrar"


@pytest.mark.parametrize("way", ["renewal", "another"])
def test_certificate_with_names_that_are_no_longer_registered_is_not_followed_by_another(
    pods: Pods, inventory: Inventory, way: str
) -> None:
    def follow(before: CertificateRecord) -> Issuance:
        if way == "renewal":
            return renewal(before)
        return another(before)

    pods.register(NAMED, event())
    (first,) = inventory.record([of_pod(dns=NAMED.dns_names)])
    (second, plain) = inventory.record([follow(first), issuance()])
    pods.register(replace(NAMED, dns_names=("web.shop.svc",)), event())
    (refused, other) = inventory.record([follow(second), issuance()])

    assert isinstance(second, CertificateRecord)
    assert isinstance(refused, NamesNotRegistered)
    assert refused.names == ("web.shop.svc.cluster.local",)
    assert isinstance(plain, CertificateRecord)
    assert isinstance(other, CertificateRecord)


def test_names_that_policy_gives_to_a_pod_need_not_be_registered(
    pods: Pods, inventory: Inventory, database: Database
) -> None:
    pods.register(NAMED, event())
    (first,) = inventory.record([of_pod(dns=NAMED.dns_names)])

    (server,) = inventory.record([another(first, ("dns", "localhost"), ("ip", "127.0.0.1"))])

    assert living(database) == [first, server]


def test_addresses_and_mailboxes_cannot_be_renewed_by_a_pod(pods: Pods, inventory: Inventory) -> None:
    pods.register(NAMED, event())
    (first,) = inventory.record([of_pod()])

    outcomes = inventory.record(
        [renewal(first, names=(URI, name)) for name in (("ip", "10.0.0.1"), ("email", "a@b.example"))]
    )

    assert [type(outcome) for outcome in outcomes] == [NamesNotRegistered, NamesNotRegistered]


def test_release_revokes_all_that_the_pod_holds_at_once(
    pods: Pods, inventory: Inventory, database: Database, audit_trail: AuditTrail
) -> None:
    pods.register(NAMED, event())
    (first, foreign) = inventory.record([of_pod(dns=("web.shop.svc",)), of_pod(replace(WEB, uid="other"))])
    (second,) = inventory.record([renewal(first)])
    (third,) = inventory.record([another(second)])
    (fourth,) = inventory.record([renewal(third)])
    inventory.revoke(first.id, at=NOW, reason=1, event=event())
    before = audit_trail.verify_chain()

    revoked = release(pods)

    assert revoked == (second, third, fourth)
    assert living(database) == []
    assert inventory.find(first.id).revocation_reason == 1
    assert {inventory.find(one.id).revocation_reason for one in revoked} == {5}
    assert [one.certificate_id for one in inventory.revocations_after(1)] == [second.id, third.id, fourth.id]
    assert inventory.find(foreign.id).revoked_at is None
    assert pods.find(UID) == replace(WEB, released_at=NOW)
    assert audit_trail.verify_chain() == before + 4


def test_release_again_changes_nothing(pods: Pods, inventory: Inventory, audit_trail: AuditTrail) -> None:
    inventory.record([of_pod()])
    release(pods)
    before = audit_trail.verify_chain()

    assert release(pods, at=NOW + 60) == ()
    assert pods.find(UID) == replace(WEB, released_at=NOW)
    assert audit_trail.verify_chain() == before


def test_what_has_expired_is_not_revoked(pods: Pods, inventory: Inventory) -> None:
    (first,) = inventory.record([of_pod(not_after=NOW - 1)])

    assert release(pods) == ()
    assert inventory.find(first.id).revoked_at is None


@pytest.mark.parametrize("known", [True, False])
def test_released_pod_gets_nothing_more(pods: Pods, inventory: Inventory, known: bool) -> None:
    if known:
        pods.register(NAMED, event())
    release(pods)

    plain, named, other = inventory.record([of_pod(), of_pod(dns=("web.shop.svc",)), issuance()])

    assert isinstance(plain, PodReleased)
    assert isinstance(named, PodReleased)
    assert isinstance(other, CertificateRecord)
    with pytest.raises(PodReleased):
        pods.register(NAMED, event())


@pytest.mark.parametrize("follow", ["renewal", "another"])
def test_what_is_on_its_way_when_the_pod_is_released_is_not_recorded(
    pods: Pods, inventory: Inventory, database: Database, follow: str
) -> None:
    """Signed already: the holder's certificate was good when it asked."""
    (first,) = inventory.record([of_pod()])
    on_its_way = renewal(first) if follow == "renewal" else another(first)
    release(pods)

    late, other = inventory.record([on_its_way, issuance()])

    assert isinstance(late, PodReleased)
    assert isinstance(other, CertificateRecord)
    assert living(database) == []


def test_retry_is_not_answered_once_the_pod_is_released(pods: Pods, inventory: Inventory) -> None:
    inventory.record([of_pod(request_id="r")])
    release(pods)

    (again,) = inventory.record([of_pod(request_id="r")])

    assert isinstance(again, PodReleased)


def test_refused_names_use_no_credential_up(pods: Pods, inventory: Inventory) -> None:
    inventory.record([of_pod(dns=("web.shop.svc",), credential_id="JTI=one")])

    (other,) = inventory.record([of_pod(credential_id="JTI=one", key_fingerprint=octets(32))])

    assert isinstance(other, CertificateRecord)


def test_certificates_of_others_are_of_no_pod(inventory: Inventory, database: Database) -> None:
    """What a pod signs for others, as a registrar does, is not its own."""
    (first,) = inventory.record([of_pod()])
    inventory.record([issuance(), replace(issuance(), asked_with=HeldCertificate(serial=octets(16), names=(URI,)))])

    assert living(database) == [first]


def test_listing_shows_pods_with_living_certificates_or_names(pods: Pods, inventory: Inventory) -> None:
    def pod(uid: str, **changes) -> PodRecord:
        return replace(WEB, uid=uid, **changes)

    pods.register(pod("named", dns_names=("web.shop.svc",)), event())
    pods.register(pod("unnamed"), event())
    inventory.record([of_pod(pod("holds")), of_pod(pod("expired"), not_after=NOW - 1)])
    (revoked,) = inventory.record([of_pod(pod("revoked"))])
    inventory.revoke(revoked.id, at=NOW, reason=1, event=event())
    pods.register(pod("gone", dns_names=("web.shop.svc",)), event())
    release(pods, "gone")

    page = pods.page(now=NOW)

    assert [one.uid for one in page.items] == ["holds", "named"]
    assert page.next_token is None


def test_listing_goes_page_by_page(pods: Pods) -> None:
    for number in range(5):
        pods.register(replace(NAMED, uid=f"pod-{number}"), event())

    first = pods.page(now=NOW, page_size=3)
    pods.register(replace(NAMED, uid="late"), event())
    second = pods.page(now=NOW, page_size=3, page_token=first.next_token)

    assert [one.uid for one in first.items + second.items] == [f"pod-{number}" for number in (4, 3, 2, 1, 0)]
    assert second.next_token is None
    with pytest.raises(InvalidPageToken):
        pods.page(now=NOW, page_token="AAAA")


def test_pod_is_known_for_as_long_as_something_of_it_counts(pods: Pods, inventory: Inventory) -> None:
    (first,) = inventory.record([of_pod(not_after=NOW + 60)])
    (second,) = inventory.record([renewal(first, not_after=NOW + 600)])
    pods.register(replace(NAMED, uid="named"), event())

    assert pods.purge(NOW + 600) == 0
    assert pods.purge(NOW + 601) == 1
    assert pods.find(UID) is None
    assert pods.purge(NOW + 1000 * DAY) == 0, "names are kept until the pod is released"
    assert second.not_after == NOW + 600


def test_names_that_were_taken_away_do_not_keep_a_pod(pods: Pods, inventory: Inventory) -> None:
    pods.register(NAMED, event())
    inventory.record([of_pod(not_after=NOW + 60)])
    pods.register(WEB, event())

    assert pods.purge(NOW + 60) == 0
    assert pods.purge(NOW + 61) == 1


@pytest.mark.parametrize(("expiry", "kept_until"), [(NOW + 60, NOW + 2 * DAY), (NOW + 9 * DAY, NOW + 9 * DAY + 3600)])
def test_release_is_remembered_for_longer_than_anything_of_the_pod_counts(
    pods: Pods, inventory: Inventory, expiry: int, kept_until: int
) -> None:
    inventory.record([of_pod(not_after=expiry)])
    release(pods)

    assert pods.purge(kept_until) == 0
    assert pods.purge(kept_until + 1) == 1


def test_release_is_remembered_after_a_restart(url: str) -> None:
    before = open_database(url)
    release(Pods(before))
    before.close()

    after = open_database(url)
    (outcome,) = Inventory(after).record([of_pod()])
    after.close()

    assert isinstance(outcome, PodReleased)


def test_of_a_race_no_certificate_survives(url: str) -> None:
    """Two replicas issue to a pod and renew what it holds while one of them releases it: nothing is left that is good."""
    replicas = [open_database(url) for _ in range(2)]
    (held,) = Inventory(replicas[0]).record([of_pod()])
    makers: list[Callable[[], Issuance]] = [of_pod, lambda: renewal(held)]

    def act(number: int) -> object:
        database = replicas[number % 2]
        if number == 20:
            return release(Pods(database))
        return Inventory(database).record([makers[number % 3 % 2](), issuance()])[0]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(act, range(60)))
    left, chain = living(replicas[0]), AuditTrail(replicas[1]).verify_chain()
    for database in replicas:
        database.close()

    recorded = [outcome for outcome in outcomes if isinstance(outcome, CertificateRecord)]
    assert left == []
    assert outcomes[20] is not None
    assert {one.id for one in outcomes[20]} == {held.id, *(one.id for one in recorded)}  # type: ignore[attr-defined]
    assert chain == 1 + 60 - 1 + len(recorded) + 1 + len(recorded) + 1


def test_who_asks_twice_for_the_same_may_use_both(inventory: Inventory) -> None:
    """Two containers of one pod, or two processes that share an identity: nothing but their own word follows one by the other."""
    itself = {"requester": URI[1], "issuer_id": "old"}
    identity, beside = of_pod(**itself), of_pod(**itself)
    held = HeldCertificate(serial=identity.certificate.serial, names=identity.certificate.names)
    served = {"names": (("dns", "web.example.com"),), "profile": "server", "requester": URI[1]}
    one, two = (replace(issuance(issuer_id="old", **served), asked_with=held) for _ in range(2))
    inventory.record([identity, beside])
    inventory.record([one, two])

    inventory.record([of_pod(requester=URI[1], issuer_id="new")])
    inventory.record([replace(issuance(issuer_id="new", **served), asked_with=held)])

    found = inventory.in_use(["old"], now=NOW, limit=10)
    assert {record.id for record in found} == {each.certificate.id for each in (identity, beside, one, two)}
