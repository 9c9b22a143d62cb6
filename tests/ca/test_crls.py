"""CRLs: what OpenSSL says of them, which certificates stand in them, and how their numbers grow."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.crls import CrlPublisher, PublishedCrl
from ca.errors import CrlNotFound
from ca.office import Office
from certs.crl import RevocationReason, verify_crl
from certs.pem import encode_certificate
from store.records import CertificateRecord
from tests.ca.offices import NOW, Premises, administrator, call_of, order_for, registry_of

BASE = "http://ca.example"


def publisher_of(office: Office) -> CrlPublisher:
    return CrlPublisher(
        inventory=office.inventory,
        authorities=office.authorities,
        issuers=office.issuers,
        revocations=office.revocations,
        settings=office.settings.issuance,
        clock=office.clock,
    )


def revoked_one(office: Office, reason: int = 1) -> CertificateRecord:
    record = office.authority.issue(order_for("web.example"))
    return registry_of(office).revoke(call_of(administrator()), record.id, reason)


def issuer_id(office: Office) -> str:
    return office.issuers.active().id


def serials_in(crl: PublishedCrl) -> set[int]:
    return {entry.serial_number for entry in x509.load_der_x509_crl(crl.der)}


def test_openssl_verifies_the_list_and_finds_the_certificate_in_it(premises: Premises, tmp_path: Path) -> None:
    with premises.open(crl_shards=1) as office:
        record = revoked_one(office)
        crl = publisher_of(office).current(record.issuer_id, 0)
        (tmp_path / "crl.der").write_bytes(crl.der)
        (tmp_path / "ca.pem").write_bytes(encode_certificate(office.issuers.active().issuer.certificate))

    command = ["openssl", "crl", "-inform", "DER", "-in", "crl.der", "-CAfile", "ca.pem", "-verify", "-text", "-noout"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "verify OK" in done.stderr
    assert record.serial.hex().upper().lstrip("0") in done.stdout.replace(":", "")
    assert "Key Compromise" in done.stdout


def test_openssl_refuses_the_revoked_certificate(premises: Premises, tmp_path: Path) -> None:
    with premises.open(crl_shards=1) as office:
        good = office.authority.issue(order_for("good.example"))
        bad = revoked_one(office)
        crl = publisher_of(office).current(bad.issuer_id, 0)
        chain = office.issuers.chain_pem(bad.issuer_id)
        (tmp_path / "roots.pem").write_bytes(office.issuers.bundle.pem)

    (tmp_path / "untrusted.pem").write_bytes(chain)
    (tmp_path / "crl.pem").write_bytes(x509.load_der_x509_crl(crl.der).public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-crl_check", "-CAfile", "roots.pem", "-untrusted", "untrusted.pem"]
    command += ["-CRLfile", "crl.pem", "-attime", str(int(NOW.timestamp())), "leaf.pem"]
    answers = []
    for record in (good, bad):
        (tmp_path / "leaf.pem").write_bytes(encode_certificate(x509.load_der_x509_certificate(record.der)))
        answers.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))

    assert answers[0].stdout == "leaf.pem: OK\n"
    assert "certificate revoked" in answers[1].stderr


def test_revoked_certificate_is_listed_in_its_own_shard_only(premises: Premises) -> None:
    with premises.open(crl_base_url=BASE, crl_shards=4) as office:
        record = revoked_one(office)
        publisher = publisher_of(office)

        listed = [record.serial in _octets(publisher.current(record.issuer_id, shard)) for shard in range(4)]

        assert listed == [shard == record.crl_shard for shard in range(4)]


def test_list_names_its_shard_critically(premises: Premises) -> None:
    """RFC 5280 section 5.2.5: what the list does not cover must not be taken for unrevoked."""
    with premises.open(crl_base_url=BASE, crl_shards=4) as office:
        crl = publisher_of(office).current(issuer_id(office), 2)
        record = office.authority.issue(order_for("web.example"))

    point = x509.load_der_x509_crl(crl.der).extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert point.critical
    assert point.value.full_name == [x509.UniformResourceIdentifier(f"{BASE}/crl/{record.issuer_id}/2.crl")]


def test_list_that_names_no_shard_is_complete(premises: Premises) -> None:
    with premises.open(crl_shards=16) as office:
        records = [revoked_one(office) for _ in range(3)]

        crl = publisher_of(office).current(issuer_id(office), 0)

    assert _octets(crl) == {record.serial for record in records}
    with pytest.raises(x509.ExtensionNotFound):
        x509.load_der_x509_crl(crl.der).extensions.get_extension_for_class(x509.IssuingDistributionPoint)


def test_shards_are_served_after_their_number_was_lowered(premises: Premises) -> None:
    with premises.open(crl_base_url=BASE, crl_shards=1024) as office:
        record = next(one for one in (revoked_one(office) for _ in range(50)) if one.crl_shard)

    with premises.open(crl_base_url=BASE, crl_shards=1) as office:
        assert record.serial in _octets(publisher_of(office).current(record.issuer_id, record.crl_shard))


def test_list_is_kept_until_half_of_its_life(premises: Premises) -> None:
    with premises.open(crl_lifetime="10h") as office:
        publisher = publisher_of(office)
        first = publisher.current(issuer_id(office), 0)
        assert first.next_update - first.this_update == timedelta(hours=10)

        premises.clock.advance(timedelta(hours=5) - timedelta(seconds=1))
        assert publisher.current(issuer_id(office), 0) is first
        premises.clock.advance(timedelta(seconds=1))

        assert publisher.current(issuer_id(office), 0).number == first.number + 1


def test_revocation_makes_a_new_list_at_once(premises: Premises) -> None:
    with premises.open(crl_shards=1) as office:
        publisher = publisher_of(office)
        first = publisher.current(issuer_id(office), 0)

        record = revoked_one(office)
        second = publisher.current(issuer_id(office), 0)

        assert int.from_bytes(record.serial) not in serials_in(first)
        assert int.from_bytes(record.serial) in serials_in(second)
        assert second.number > first.number


def test_numbers_grow_across_restarts(premises: Premises) -> None:
    numbers = []
    for _ in range(3):
        with premises.open() as office:
            crl = publisher_of(office).current(issuer_id(office), 0)
            number = x509.load_der_x509_crl(crl.der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            assert number == crl.number
            numbers.append(number)

    assert numbers == sorted(set(numbers))


def test_revocation_survives_a_restart(premises: Premises) -> None:
    with premises.open(crl_shards=1) as office:
        record = revoked_one(office)

    with premises.open(crl_shards=1) as office:
        assert office.revocations.has_serial(record.serial)
        assert int.from_bytes(record.serial) in serials_in(publisher_of(office).current(record.issuer_id, 0))


def test_revoked_certificate_is_listed_once_more_after_it_expired(premises: Premises) -> None:
    with premises.open(crl_shards=1, crl_lifetime="2h") as office:
        record = revoked_one(office)
        publisher = publisher_of(office)

        premises.clock.advance(timedelta(hours=25))
        assert int.from_bytes(record.serial) in serials_in(publisher.current(record.issuer_id, 0))
        premises.clock.advance(timedelta(hours=2))

        assert int.from_bytes(record.serial) not in serials_in(publisher.current(record.issuer_id, 0))


@pytest.mark.parametrize("reason", sorted(RevocationReason))
def test_every_reason_can_be_listed(premises: Premises, reason: RevocationReason) -> None:
    with premises.open(crl_shards=1) as office:
        record = revoked_one(office, reason)
        crl = publisher_of(office).current(record.issuer_id, 0)
        parsed = verify_crl(crl.der, office.issuers.active().issuer.certificate, at=NOW)

    entry = parsed.get_revoked_certificate_by_serial_number(int.from_bytes(record.serial))
    assert entry is not None


@pytest.mark.parametrize(("issuer", "shard"), [("0" * 32, 0), ("", 0), (None, -1), (None, 1024), (None, 2**40)])
def test_unknown_issuer_or_shard_is_told(office: Office, issuer: str | None, shard: int) -> None:
    with pytest.raises(CrlNotFound):
        publisher_of(office).current(issuer_id(office) if issuer is None else issuer, shard)


def _octets(crl: PublishedCrl) -> set[bytes]:
    return {serial.to_bytes(16) for serial in serials_in(crl)}
