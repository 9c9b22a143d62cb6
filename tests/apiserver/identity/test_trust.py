"""Whom the server believes, and the files that say so."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.files import WatchedFiles, read_bundle, read_pair
from apiserver.identity.trust import CaBundle, RequestHeaderSettings, Trust, TrustSettings
from tests.apiserver.identity.handshakes import Authority


def pem(authority):
    return authority.certificate.public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def other():
    return Authority.root("other")


def test_bundle_holds_every_certificate_whatever_stands_between_them(client_ca, other):
    bundle = CaBundle.from_pem(b"# first\n" + pem(client_ca) + b"\nsecond:\n" + pem(other) + b"\n")

    assert bundle.anchors == client_ca.bundle.anchors | other.bundle.anchors


@pytest.mark.parametrize(
    "octets",
    [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\xfe"],
)
def test_bundle_without_a_certificate_is_refused(octets):
    with pytest.raises(ApiSettingsInvalid, match="cannot be read"):
        CaBundle.from_pem(octets)


def test_subscribers_are_told_of_changes_and_of_nothing_else(client_ca, other):
    trust, told = Trust(TrustSettings()), []
    trust.subscribe(told.append)

    trust.set_client_ca(client_ca.bundle)
    trust.set_client_ca(client_ca.bundle)
    trust.set_request_header(RequestHeaderSettings(ca=other.bundle))
    trust.set_request_header(RequestHeaderSettings(ca=other.bundle))

    assert [len(settings.client_ca.anchors) + len(settings.request_header.ca.anchors) for settings in told] == [1, 2]
    assert trust.generation == 2


def test_both_cas_are_offered_to_callers(client_ca, other):
    settings = TrustSettings(client_ca=client_ca.bundle, request_header=RequestHeaderSettings(ca=other.bundle))

    assert settings.offered_pem.count("BEGIN CERTIFICATE") == 2
    assert TrustSettings().offered_pem == ""


def test_files_are_taken_over_when_their_contents_change(tmp_path):
    first, second, adopted = tmp_path / "a", tmp_path / "b", []
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    watched = WatchedFiles(paths=(first, second), adopt=adopted.append)

    watched.look()
    first.write_bytes(b"1")
    watched.look()
    first.write_bytes(b"3")
    watched.look()

    assert adopted == [[b"1", b"2"], [b"3", b"2"]]


def test_files_that_are_gone_or_no_good_change_nothing_and_are_looked_at_again(tmp_path):
    file, adopted = tmp_path / "a", []

    def adopt(contents):
        if contents[0] == b"bad":
            raise ApiSettingsInvalid(["bad"])
        adopted.append(contents[0])

    watched = WatchedFiles(paths=(file,), adopt=adopt)
    watched.look()
    for octets in (b"good", b"bad", b"better"):
        file.write_bytes(octets)
        watched.look()
    file.unlink()
    watched.look()
    file.write_bytes(b"best")
    watched.look()

    assert adopted == [b"good", b"better", b"best"]


def test_files_that_are_missing_at_the_start_are_told_by_name(tmp_path):
    for read in (lambda: read_bundle(tmp_path / "ca.crt"), lambda: read_pair(tmp_path / "ca.crt", tmp_path / "key")):
        with pytest.raises(ApiSettingsInvalid, match=r"ca\.crt cannot be read: no such file"):
            read()
