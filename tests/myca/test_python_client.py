"""A client generated from myca's .proto works unchanged, and finds mended what myca did badly."""

import base64
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.ca.server import RunningServer, running_server
from tests.myca.conftest import MycaClient, myca_client

_EVERY_ATTRIBUTE = {
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.STREET_ADDRESS,
    NameOID.POSTAL_CODE,
    NameOID.SERIAL_NUMBER,
    NameOID.COMMON_NAME,
}
_ANYBODY = """\
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - name: anybody-here
    callers:
      - anonymous: true
    operations: [issue, read, fetch_key]
    profiles: [peer]
    names: {dns: ["*.example"]}
    subject: any
"""


def certificate_of(client: MycaClient, identifier: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(client.ask("GetCert", Id=identifier)))


def test_certificate_and_key_of_a_request_fit_together(client: MycaClient) -> None:
    identifier = client.ask(
        "SignCsr",
        SubjectCountry=["CN"],
        SubjectOrganization=["Qinghua"],
        SubjectOrganizationalUnit=["ComputerScience"],
        SubjectProvince=["Beijing"],
        SubjectLocality=["北京"],
        SubjectStreetAddress=["Handan Road #200"],
        SubjectPostalCode=["200201"],
        SubjectSerialNumber="7",
        SubjectCommonName="tsinghua.example",
        EmailAddresses=["ex@example.com"],
        DNSNames=["localhost"],
        IPAddresses=["127.0.0.1"],
    )

    certificate = certificate_of(client, identifier)
    key = load_pem_private_key(base64.b64decode(client.ask("GetKey", Id=identifier)), None)
    assert key.public_key() == certificate.public_key()
    assert certificate.subject.get_attributes_for_oid(NameOID.LOCALITY_NAME)[0].value == "北京"
    assert {attribute.oid for attribute in certificate.subject} == _EVERY_ATTRIBUTE
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.RFC822Name) == ["ex@example.com"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]


def test_template_is_accepted_as_it_comes(client: MycaClient) -> None:
    template = client.ask("CsrTemplate")

    template["SubjectOrganization"] = ["Fudan"]
    assert certificate_of(client, client.ask("SignCsr", **template))


def test_request_without_a_host_is_for_a_client(client: MycaClient) -> None:
    identifier = client.ask("SignCsr", SubjectCommonName="www.tsinghua.edu.cn", EmailAddresses=["ex@example.com"])

    usages = certificate_of(client, identifier).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_identifiers_cannot_be_guessed_from_the_time(client: MycaClient) -> None:
    identifiers = [client.ask("SignCsr", DNSNames=["one.example"]) for _ in range(3)]

    assert all(len(bytes.fromhex(identifier)) == 16 for identifier in identifiers)
    assert len({identifier[-22:] for identifier in identifiers}) == 3  # behind the time, 88 random bits


@pytest.mark.parametrize("address", ["10.0.0", "256.1.1.1", "not-an-address", "10.0.0.0/8", "::g"])
def test_address_that_does_not_parse_is_refused_rather_than_skipped(client: MycaClient, address: str) -> None:
    before = client.ask("SignCsr", DNSNames=["one.example"])

    refused = client.try_to_ask("SignCsr", DNSNames=["one.example"], IPAddresses=["127.0.0.1", address])

    assert refused["code"] == "INVALID_ARGUMENT"
    assert address in refused["details"]
    assert client.ask("GetCert", Id=before)


def test_ipv6_works(client: MycaClient) -> None:
    certificate = certificate_of(client, client.ask("SignCsr", IPAddresses=["2001:db8::1", "10.1.2.3"]))

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("2001:db8::1"), ip_address("10.1.2.3")]


def test_country_in_words_is_refused_with_a_hint(client: MycaClient) -> None:
    refused = client.try_to_ask("SignCsr", SubjectCountry=["China"], DNSNames=["one.example"])

    assert refused["code"] == "INVALID_ARGUMENT"
    assert "CN" in refused["details"]


def test_key_is_given_once(client: MycaClient) -> None:
    identifier = client.ask("SignCsr", DNSNames=["one.example"])
    client.ask("GetKey", Id=identifier)

    assert client.try_to_ask("GetKey", Id=identifier)["code"] == "NOT_FOUND"


def test_key_is_for_its_owner_only(
    server: RunningServer, client: MycaClient, generated: Path, identity: Path, tmp_path: Path
) -> None:
    """The other one holds a certificate of the same authority, which the administrator asked for."""
    other = tmp_path / "other"
    other.mkdir()
    held = client.ask("SignCsr", SubjectCommonName="other", DNSNames=["other.example"])
    for name, method in (("tls.crt", "GetCert"), ("tls.key", "GetKey")):
        (other / name).write_bytes(base64.b64decode(client.ask(method, Id=held)))
    chain = server.office.issuers.chain_pem(server.office.issuers.active().id)
    (other / "tls.crt").write_bytes((other / "tls.crt").read_bytes() + chain)
    (other / "ca.crt").write_bytes((identity / "ca.crt").read_bytes())
    wanted = client.ask("SignCsr", DNSNames=["one.example"])

    with myca_client(generated, server.grpc_target, str(other)) as stranger:
        assert stranger.try_to_ask("GetKey", Id=wanted)["code"] == "PERMISSION_DENIED"
        assert stranger.try_to_ask("GetCert", Id=wanted)["code"] == "NOT_FOUND"
        assert stranger.try_to_ask("SignCsr", DNSNames=["one.example"])["code"] == "PERMISSION_DENIED"

    assert client.ask("GetKey", Id=wanted)


def test_unknown_identifier_is_not_found(client: MycaClient) -> None:
    for identifier in ("2023-03-06_10-04-05", "../../etc/passwd", "", "ff" * 16):
        assert client.try_to_ask("GetCert", Id=identifier)["code"] == "NOT_FOUND"
        assert client.try_to_ask("GetKey", Id=identifier)["code"] == "NOT_FOUND"


def test_client_without_a_certificate_gets_nowhere(server: RunningServer, generated: Path) -> None:
    with myca_client(generated, server.grpc_target, "-") as client:
        assert client.try_to_ask("CsrTemplate")["code"] == "UNAVAILABLE"


def test_without_mtls_policy_says_what_anybody_may_have(generated: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(_ANYBODY)
    with (
        running_server(tmp_path / "data", mtls=False, policy_file=policy) as server,
        myca_client(generated, server.grpc_target, "-") as client,
    ):
        identifier = client.ask("SignCsr", SubjectCommonName="web", DNSNames=["web.example"])

        assert certificate_of(client, identifier)
        assert client.ask("GetKey", Id=identifier)
        assert client.try_to_ask("SignCsr", DNSNames=["web.elsewhere"])["code"] == "PERMISSION_DENIED"


def test_without_mtls_and_without_a_rule_nothing_is_issued(generated: Path, tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "data", mtls=False) as server,
        myca_client(generated, server.grpc_target, "-") as client,
    ):
        before = server.office.inventory.counts(now=0).total

        assert client.try_to_ask("SignCsr", DNSNames=["web.example"])["code"] == "PERMISSION_DENIED"
        assert server.office.inventory.counts(now=0).total == before
