"""A root whose key is kept elsewhere: the request goes out, the certificate comes in, and nothing is lost in between."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.bootstrap import BroughtHierarchy
from ca.errors import IssuerCertificateRefused, NoIssuerRequest, RotationUnderWay
from ca.keys import KeyFiles
from ca.office import Office
from certs.profiles import PROFILES
from certs.signing import key_usage_extension
from store.records import IssuerRequest
from tests.ca.hierarchies import YEAR, Outsider, authority
from tests.ca.offices import NOW, Premises, order_for
from tests.ca.rotation.worlds import ADMINISTRATOR, Consumer, Holder, settle

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def root() -> Outsider:
    return authority("Offline Root", lifetime=10 * YEAR)


@pytest.fixture
def office(premises: Premises, root: Outsider) -> Any:
    issuer = authority("Own Issuer", issuer=root, path_length=0)
    with premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair)) as office:
        office.rotations.look()
        yield office


def signed(request: IssuerRequest, root: Outsider, **changes: Any) -> bytes:
    """What the holder of the root makes of a request, PEM."""
    asked = x509.load_der_x509_csr(request.request)
    given = {"subject": asked.subject, "path_length": 0, "not_before": NOW - DAY, "lifetime": YEAR, **changes}
    identifier = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(given["subject"])
        .issuer_name(root.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(given["not_before"])
        .not_valid_after(given["not_before"] + given["lifetime"])
        .add_extension(x509.BasicConstraints(ca=True, path_length=given["path_length"]), critical=True)
        .add_extension(key_usage_extension(PROFILES["intermediate"]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if given.get("name_constraints") is not None:
        builder = builder.add_extension(given["name_constraints"], critical=True)
    return builder.sign(root.private_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_an_issuing_ca_that_was_signed_elsewhere_takes_over_without_an_outage(
    office: Office, premises: Premises, root: Outsider
) -> None:
    holder, verifier = Holder(office, "web.example"), Consumer(office, "verifier")
    verifier.follow()
    request = office.rotations.request(ADMINISTRATOR)

    office.rotations.start_with(signed(request, root), "now", ADMINISTRATOR)
    settle(office, premises.clock)

    assert office.issuers.active().id == request.authority_id
    assert holder.is_asked_to_renew
    holder.renew()
    settle(office, premises.clock)
    assert verifier.accepts(holder)
    assert [(one.profile, one.state) for one in office.authorities.list()] == [
        ("root", "active"),
        ("intermediate", "retired"),
        ("intermediate", "active"),
    ]
    assert office.rotations.rotations.waiting_requests() == ()


def test_the_audit_trail_tells_both_acts(office: Office, root: Outsider) -> None:
    request = office.rotations.request(ADMINISTRATOR)
    office.rotations.start_with(signed(request, root), "now", ADMINISTRATOR)

    acts = [event.action for event in office.audit.page(subject_id=request.authority_id).items]

    assert acts == ["authority.import", "authority.request"]


def test_the_same_request_is_given_until_its_certificate_is_there(office: Office, root: Outsider) -> None:
    first = office.rotations.request(ADMINISTRATOR)

    assert office.rotations.request(ADMINISTRATOR) == first
    office.rotations.start_with(signed(first, root), "now", ADMINISTRATOR)
    assert office.rotations.request(ADMINISTRATOR).authority_id != first.authority_id


def test_the_key_of_a_request_is_never_there_in_plain(office: Office, premises: Premises, root: Outsider) -> None:
    request = office.rotations.request(ADMINISTRATOR)
    kept = (premises.directory / "keys" / f"{request.authority_id}.pem").read_bytes()
    assert kept.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_a_request_waits_through_a_restart(premises: Premises, root: Outsider) -> None:
    issuer = authority("Own Issuer", issuer=root, path_length=0)
    with premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair)) as office:
        request = office.rotations.request(ADMINISTRATOR)

    with premises.open() as office:
        assert office.rotations.request(ADMINISTRATOR) == request
        office.rotations.start_with(signed(request, root), "now", ADMINISTRATOR)
        settle(office, premises.clock)
        assert office.authority.issue(order_for("web.example")).issuer_id == request.authority_id


def test_a_request_whose_key_is_lost_is_made_anew(office: Office, premises: Premises) -> None:
    first = office.rotations.request(ADMINISTRATOR)
    (premises.directory / "keys" / f"{first.authority_id}.pem").unlink()

    second = office.rotations.request(ADMINISTRATOR)

    assert second.authority_id != first.authority_id
    assert office.rotations.rotations.waiting_requests() == (second,)


class KilledError(Exception):
    """Stands for the end of the process."""


def test_killed_between_key_and_request_the_next_request_is_made_whole(
    office: Office, root: Outsider, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = KeyFiles.put

    def put_and_end(self: KeyFiles, authority_id: str, key: Any) -> None:
        put(self, authority_id, key)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(KeyFiles, "put", put_and_end)
        with pytest.raises(KilledError):
            office.rotations.request(ADMINISTRATOR)
    assert office.rotations.rotations.waiting_requests() == ()

    request = office.rotations.request(ADMINISTRATOR)
    assert office.rotations.start_with(signed(request, root), "now", ADMINISTRATOR).phase == "publishing"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"path_length": None}, "pathlen:0"),
        ({"lifetime": timedelta(hours=1)}, "expired"),
        ({"not_before": NOW + DAY}, "check the clock"),
        ({"subject": x509.Name([])}, "no subject"),
    ],
)
def test_what_cannot_serve_is_refused_and_the_request_goes_on_waiting(
    office: Office, root: Outsider, changes: dict[str, Any], why: str
) -> None:
    request = office.rotations.request(ADMINISTRATOR)
    before = office.authorities.list()

    with pytest.raises(IssuerCertificateRefused, match=why):
        office.rotations.start_with(signed(request, root, **changes), "now", ADMINISTRATOR)

    assert office.authorities.list() == before
    assert office.rotations.status().rotation is None
    assert office.rotations.request(ADMINISTRATOR) == request


def test_the_name_of_the_issuing_ca_before_is_refused(office: Office, root: Outsider) -> None:
    request, subject = office.rotations.request(ADMINISTRATOR), office.issuers.active().issuer.certificate.subject

    with pytest.raises(IssuerCertificateRefused, match="that of another authority"):
        office.rotations.start_with(signed(request, root, subject=subject), "now", ADMINISTRATOR)


def test_what_a_stranger_signed_or_for_another_key_is_refused(office: Office, root: Outsider) -> None:
    request = office.rotations.request(ADMINISTRATOR)
    stranger, another = authority("Stranger"), authority("Another", issuer=root, path_length=0)

    for refused in (signed(request, stranger), another.certificate.public_bytes(Encoding.PEM), b"no certificate"):
        with pytest.raises(IssuerCertificateRefused):
            office.rotations.start_with(refused, "now", ADMINISTRATOR)


def test_without_a_request_no_certificate_is_taken(office: Office, root: Outsider) -> None:
    another = authority("Another", issuer=root, path_length=0)

    with pytest.raises(NoIssuerRequest, match="--csr-out"):
        office.rotations.start_with(another.certificate.public_bytes(Encoding.PEM), "now", ADMINISTRATOR)


def test_a_certificate_does_not_hasten_a_rotation_that_is_under_way(office: Office, root: Outsider) -> None:
    office.rotations.start("root", "now", ADMINISTRATOR)
    request = office.rotations.request(ADMINISTRATOR)

    with pytest.raises(RotationUnderWay, match="then try again"):
        office.rotations.start_with(signed(request, root), "now", ADMINISTRATOR)
    assert office.rotations.request(ADMINISTRATOR) == request


_ASKS_AND_DIES = """
import os, signal, sys
from pathlib import Path
from tests.ca.offices import CountedEntropy, Premises
from tests.ca.rotation.worlds import ADMINISTRATOR

with Premises(directory=Path(sys.argv[1]), entropy=CountedEntropy(start=1_000_000)).open() as office:
    print(office.rotations.request(ADMINISTRATOR).request.hex(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_by_the_system_once_the_request_is_out_the_certificate_is_taken(
    premises: Premises, root: Outsider
) -> None:
    issuer = authority("Own Issuer", issuer=root, path_length=0)
    with premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair)):
        pass
    killed = subprocess.run(
        [sys.executable, "-c", _ASKS_AND_DIES, premises.directory],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    with premises.open() as office:
        request = office.rotations.request(ADMINISTRATOR)
        assert request.request.hex() == killed.stdout.splitlines()[-1]
        assert office.rotations.start_with(signed(request, root), "now", ADMINISTRATOR).phase == "publishing"
