"""Who is calling: only certificates that this authority recorded, that are not revoked and not expired."""

from datetime import timedelta

import pytest

from ca.authentication import Authenticator
from ca.errors import CallerExpired, CallerRevoked, CallerUnknown
from ca.keys import KeyFiles
from ca.office import Office
from certs.errors import MalformedInput
from certs.pem import encode_certificate, load_certificate
from store.records import CertificateRecord
from tests.ca.hierarchies import Outsider, authority, client
from tests.ca.offices import NOW, Premises, administrator, call_of, order_for, registry_of, request_for


def authenticator_of(office: Office) -> Authenticator:
    return Authenticator(office.inventory, office.revocations, office.clock)


def client_record(office: Office) -> CertificateRecord:
    return office.authority.issue(order_for(request=request_for(common_name="bob"), profile="client"))


def pem_of(record: CertificateRecord) -> bytes:
    return encode_certificate(load_certificate(record.der))


@pytest.mark.parametrize("form", ["pem", "der"])
def test_own_certificate_is_its_holder(office: Office, form: str) -> None:
    record = client_record(office)

    caller = authenticator_of(office).authenticate(pem_of(record) if form == "pem" else record.der)

    assert caller.name == "CN=bob"
    assert caller.serial_number == record.serial.hex()


def test_known_face_is_recalled_without_the_store(premises: Premises) -> None:
    with premises.open() as office:
        record = client_record(office)
        authenticator = authenticator_of(office)
        assert authenticator.recall(record.der) is None
        caller = authenticator.authenticate(record.der)
        office.database.close()

        assert authenticator.recall(record.der) == caller


def test_revocation_counts_for_known_faces_at_once(office: Office) -> None:
    record = client_record(office)
    authenticator = authenticator_of(office)
    authenticator.authenticate(record.der)

    registry_of(office).revoke(call_of(administrator()), record.id, reason=1)

    with pytest.raises(CallerRevoked, match="ask for a new one"):
        authenticator.recall(record.der)
    with pytest.raises(CallerRevoked):
        authenticator.authenticate(record.der)


def test_certificate_that_expires_on_an_open_connection_is_refused(premises: Premises) -> None:
    with premises.open() as office:
        record = client_record(office)
        authenticator = authenticator_of(office)
        authenticator.authenticate(record.der)

        premises.clock.advance(timedelta(hours=24))
        assert authenticator.recall(record.der)
        premises.clock.advance(timedelta(seconds=1))

        with pytest.raises(CallerExpired, match="2026-11-22T12:00:00Z"):
            authenticator.recall(record.der)


def test_certificate_of_another_authority_is_unknown(office: Office) -> None:
    stranger = client("bob", authority("Other Root"), not_before=NOW)

    with pytest.raises(CallerUnknown, match="issuing CA"):
        authenticator_of(office).authenticate(encode_certificate(stranger.certificate))


def test_certificate_of_another_issuer_under_our_root_is_unknown(office: Office) -> None:
    """TLS accepts it, since it chains to our root; the record decides."""
    stranger = client("bob", sibling_issuer(office), not_before=NOW)

    with pytest.raises(CallerUnknown):
        authenticator_of(office).authenticate(encode_certificate(stranger.certificate))


def test_another_certificate_under_a_recorded_serial_is_unknown(office: Office) -> None:
    record = client_record(office)
    twin = client("bob", sibling_issuer(office), not_before=NOW, serial=int.from_bytes(record.serial))

    with pytest.raises(CallerUnknown, match="another certificate"):
        authenticator_of(office).authenticate(encode_certificate(twin.certificate))


@pytest.mark.parametrize("encoded", [b"", b"-----BEGIN CERTIFICATE-----\n", b"\x30\x00", b"\xff" * 100])
def test_what_is_no_certificate_is_refused(office: Office, encoded: bytes) -> None:
    with pytest.raises(MalformedInput):
        authenticator_of(office).authenticate(encoded)


def sibling_issuer(office: Office) -> Outsider:
    """An issuing CA that our root signed and that this authority does not know."""
    root = next(record for record in office.authorities.list() if record.profile == "root")
    directory = office.settings.data_directory
    keys = KeyFiles(directory / "keys", (directory / "passphrase").read_bytes().strip(), office.entropy)
    above = Outsider(certificate=load_certificate(root.certificate), private_key=keys.get(root.id))  # type: ignore[arg-type]
    return authority("Sibling Issuer", issuer=above, path_length=0)
