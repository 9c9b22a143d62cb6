"""What the store promises about the certificates of pods, on every engine."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from store.audit import AuditTrail
from store.database import Database, open_database
from store.errors import CredentialReused
from store.inventory import Inventory
from store.pod_certificates import PodCertificates
from store.records import CertificateRecord, Issuance, PodCertificate, PodRecord
from tests.store.samples import DAY, NOW, issuance, octets

POD = "0c7a8f2e-6d0e-4c1b-9d4e-2f5d3a1b0c9d"
KEY = octets(32)
SPIFFE = (("uri", "spiffe://cluster.local/ns/shop/sa/web"),)


@pytest.fixture
def pods(database: Database) -> PodCertificates:
    return PodCertificates(database)


def enrolled(*, pod_uid: str = POD, credential_id: str = "JTI=one", key: bytes = KEY, **changes) -> Issuance:
    plain = issuance(key_fingerprint=key, **changes)
    record = plain.certificate
    pod = PodCertificate(
        certificate_id=record.id,
        pod=PodRecord(uid=pod_uid, namespace="shop", name="web-0", service_account="web", node_name="node-1"),
        credential_id=credential_id,
        key_fingerprint=key,
        expires_at=record.not_after,
    )
    return replace(plain, pod=pod)


def test_certificates_are_found_by_their_pod(inventory: Inventory, pods: PodCertificates) -> None:
    first, second, _ = inventory.record(
        [
            enrolled(),
            enrolled(credential_id="JTI=two", key=octets(32)),
            enrolled(pod_uid="other", credential_id="JTI=3"),
        ]
    )
    inventory.record([issuance()])

    assert pods.of_pod(POD) == (first, second)
    assert pods.of_pod("nobody") == ()


def test_credential_with_the_same_key_gives_another_certificate(inventory: Inventory, pods: PodCertificates) -> None:
    first, second = (inventory.record([enrolled()])[0] for _ in range(2))

    assert isinstance(first, CertificateRecord)
    assert isinstance(second, CertificateRecord)
    assert pods.of_pod(POD) == (first, second)


def test_credential_with_another_key_is_refused_alone(
    inventory: Inventory, pods: PodCertificates, audit_trail: AuditTrail
) -> None:
    (first,) = inventory.record([enrolled()])

    reused, plain = inventory.record([enrolled(key=octets(32)), issuance()])

    assert isinstance(reused, CredentialReused)
    assert isinstance(plain, CertificateRecord)
    assert pods.of_pod(POD) == (first,)
    assert audit_trail.verify_chain() == 2


def test_credential_used_with_two_keys_in_one_batch_is_refused_the_second_time(inventory: Inventory) -> None:
    first, second = inventory.record([enrolled(), enrolled(key=octets(32))])

    assert isinstance(first, CertificateRecord)
    assert isinstance(second, CredentialReused)


def test_refused_issuance_uses_no_credential_up(inventory: Inventory) -> None:
    (taken,) = inventory.record([issuance()])
    inventory.record([enrolled(serial=taken.serial)])

    (other,) = inventory.record([enrolled(key=octets(32))])

    assert isinstance(other, CertificateRecord)


def test_retry_is_answered_before_the_credential_is_looked_at(inventory: Inventory) -> None:
    (first,) = inventory.record([enrolled(request_id="r")])

    (again,) = inventory.record([enrolled(request_id="r")])

    assert again == first


def test_credential_is_remembered_after_a_restart(url: str) -> None:
    before = open_database(url)
    Inventory(before).record([enrolled()])
    before.close()

    after = open_database(url)
    (outcome,) = Inventory(after).record([enrolled(key=octets(32))])
    after.close()

    assert isinstance(outcome, CredentialReused)


def test_of_two_replicas_one_gets_the_credential(url: str) -> None:
    replicas = [open_database(url) for _ in range(2)]
    asked = [enrolled(key=octets(32)) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda numbered: Inventory(replicas[numbered[0] % 2]).record([numbered[1]])[0], enumerate(asked))
        )
    for database in replicas:
        database.close()

    assert [type(outcome) for outcome in outcomes].count(CertificateRecord) == 1
    assert [type(outcome) for outcome in outcomes].count(CredentialReused) == 19


def test_renewals_stay_with_their_pod(inventory: Inventory, pods: PodCertificates) -> None:
    (first,) = inventory.record([enrolled()])
    (second,) = inventory.record([issuance(renewed_from=first.id, names=SPIFFE)])
    (third,) = inventory.record([issuance(renewed_from=second.id, names=SPIFFE)])
    inventory.record([issuance(renewed_from="b" * 32)])

    assert pods.of_pod(POD) == (first, second, third)
    (again,) = inventory.record([enrolled()])
    assert isinstance(again, CertificateRecord), "the key of a renewal does not count as a use of the credential"


def test_purge_forgets_what_has_expired(inventory: Inventory, pods: PodCertificates) -> None:
    short, long = inventory.record(
        [enrolled(not_after=NOW + 60), enrolled(credential_id="JTI=two", not_after=NOW + DAY)]
    )

    assert pods.purge(NOW + 61) == 1
    assert pods.of_pod(POD) == (long,)
    assert inventory.find(short.id) == short
