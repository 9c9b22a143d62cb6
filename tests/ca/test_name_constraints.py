"""What a chain does not permit is refused with the reason, whether the limits were set or brought; the server is no exception."""

from pathlib import Path

import pytest
from cryptography import x509

from ca.bootstrap import BroughtHierarchy
from ca.errors import IssuerCertificateRefused, SettingsInvalid
from ca.metrics import Metrics
from ca.office import Office
from ca.serving import ServingCertificate, serving_names
from ca.settings import ServeSettings
from certs.errors import NameNotPermitted
from certs.names import SubjectAlternativeNames
from tests.ca.hierarchies import authority
from tests.ca.offices import Premises, order_for, request_for
from tests.ca.rotation.test_offline_root import signed
from tests.ca.rotation.worlds import ADMINISTRATOR, settle

LIMITS = {"permitted_dns": ("example.com",), "permitted_uris": ("cluster.local",)}


def constraints_of(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    return [str(subtree.value) for subtree in found.value.permitted_subtrees or ()]


def test_limits_are_in_the_issuing_ca_and_not_in_the_root(empty_premises: Premises) -> None:
    with empty_premises.open(**LIMITS) as office:
        (root,) = office.issuers.bundle.roots
        assert constraints_of(office.issuers.active().issuer.certificate) == ["example.com", "cluster.local"]
        with pytest.raises(x509.ExtensionNotFound):
            root.extensions.get_extension_for_class(x509.NameConstraints)

        assert office.authority.issue(order_for(request=request_for("web.example.com", ips=["192.0.2.1"])))
        with pytest.raises(NameNotPermitted, match=r"example\.org.*permits example\.com"):
            office.authority.issue(order_for("web.example.org"))


def test_limits_hold_for_every_issuing_ca_that_a_rotation_makes_and_change_with_the_settings(
    empty_premises: Premises,
) -> None:
    with empty_premises.open(**LIMITS) as office:
        office.rotations.start("root", "emergency", ADMINISTRATOR)
        settle(office, empty_premises.clock)
        assert constraints_of(office.issuers.active().issuer.certificate) == ["example.com", "cluster.local"]

    with empty_premises.open(permitted_dns=("example.org",)) as office:
        office.rotations.start("issuer", "emergency", ADMINISTRATOR)
        settle(office, empty_premises.clock)
        assert constraints_of(office.issuers.active().issuer.certificate) == ["example.org"]
        assert office.authority.issue(order_for("web.example.org"))


def test_limits_that_were_brought_hold_as_well(empty_premises: Premises) -> None:
    limits = x509.NameConstraints([x509.DNSName("corp.example")], [x509.DNSName("secret.corp.example")])
    root = authority("Limited Root", name_constraints=limits)
    issuer = authority("Own Issuer", issuer=root, path_length=0)

    with empty_premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair)) as office:
        assert office.authority.issue(order_for("web.corp.example"))
        for refused in ("web.example", "a.secret.corp.example", "*.corp.example"):
            with pytest.raises(NameNotPermitted, match=r"CN=Limited Root permits corp\.example and excludes"):
                office.authority.issue(order_for(refused))


def test_one_name_too_many_fails_no_other_order(empty_premises: Premises) -> None:
    with empty_premises.open(**LIMITS) as office:
        good, bad = office.authority.prepare([order_for("a.example.com"), order_for("a.example.org")])

        assert not isinstance(good, Exception)
        assert isinstance(bad, NameNotPermitted)


def test_a_request_for_an_issuing_ca_asks_for_the_limits_and_its_answer_must_have_them(tmp_path: Path) -> None:
    root = authority("Offline Root")
    issuer = authority("Own Issuer", issuer=root, path_length=0)
    premises = Premises(directory=tmp_path / "ca")
    with premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair), **LIMITS) as office:
        request = office.rotations.request(ADMINISTRATOR)
        asked = x509.load_der_x509_csr(request.request).extensions.get_extension_for_class(x509.NameConstraints)
        assert asked.critical

        permitted = list(asked.value.permitted_subtrees or ())
        wider = x509.NameConstraints([*permitted, x509.DNSName("example.org")], None)
        for refused in (None, x509.NameConstraints([x509.DNSName("example.com")], None), wider):
            with pytest.raises(IssuerCertificateRefused, match="permit more"):
                office.rotations.start_with(signed(request, root, name_constraints=refused), "now", ADMINISTRATOR)
        office.rotations.start_with(signed(request, root, name_constraints=asked.value), "now", ADMINISTRATOR)


def serving_of(office: Office, *advertised: str) -> ServingCertificate:
    return ServingCertificate(
        authority=office.authority,
        issuers=office.issuers,
        names=serving_names(advertised, "host.internal"),
        key_factory=office.key_factory,
        clock=office.clock,
        metrics=Metrics(),
    )


def test_the_server_goes_without_those_of_its_names_that_are_not_permitted(empty_premises: Premises) -> None:
    with empty_premises.open(**LIMITS, permitted_ips=("127.0.0.0/8",)) as office:
        pair = serving_of(office, "ca.example.com").renew()

        leaf = x509.load_pem_x509_certificate(pair.chain)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert SubjectAlternativeNames.from_x509(names).all_names() == (
            ("dns", "ca.example.com"),
            ("ip", "127.0.0.1"),
        )


def test_a_server_none_of_whose_names_is_permitted_says_so(empty_premises: Premises) -> None:
    with (
        empty_premises.open(permitted_dns=("example.com",), permitted_ips=("10.0.0.0/8",)) as office,
        pytest.raises(NameNotPermitted, match="localhost"),
    ):
        serving_of(office).renew()


def test_faults_of_limits_are_told_with_all_others() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        ServeSettings.from_mapping({"permitted_dns": "*.example.com", "trust_domain": "Bad Domain"})

    assert len(caught.value.faults) == 2
    assert "wildcard" in caught.value.faults[0]
