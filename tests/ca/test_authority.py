"""The ten steps: what is issued holds, what is refused leaves no trace in the inventory."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from ca.callers import Caller
from ca.calls import Call
from ca.errors import InvalidArgument, PolicyDenied, RequestIdReused, RequestInvalid
from ca.office import Office
from ca.orders import Binding
from ca.policy import Operation
from certs.chains import verify_chain
from certs.errors import CertsError, IssuerExpired, LifetimeOutOfRange, NameNotAllowed, NameRequired, WeakKey
from certs.keys import KeyType, generate_private_key, load_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest
from store.errors import StoreUnavailable
from tests.ca.offices import (
    NOW,
    Premises,
    administrator,
    call_of,
    order_for,
    registry_of,
    request_for,
    total_of,
    workload,
)

SPIFFE_ID = "spiffe://cluster.local/ns/shop/sa/web"


def test_issued_certificate_chains_to_the_root_and_is_recorded(office: Office) -> None:
    record = office.authority.issue(order_for("web.example"))

    leaf = x509.load_der_x509_certificate(record.der)
    issuers = x509.load_pem_x509_certificates(office.issuers.chain_pem(record.issuer_id))
    chain = verify_chain(leaf, tuple(issuers), office.issuers.bundle.roots, at=NOW, usage="server", name="web.example")
    assert len(chain) == 3
    assert office.inventory.find(record.id).der == record.der


def test_issuance_leaves_an_audit_event_of_the_caller(office: Office) -> None:
    record = office.authority.issue(order_for("web.example"))

    (event,) = office.audit.page(subject_id=record.id).items
    assert (event.action, event.actor) == ("certificate.issue", administrator().name)
    assert record.fingerprint.hex() in event.details
    assert office.audit.verify_chain() > 0


def test_validity_is_backdated_a_minute_and_lasts_a_day(office: Office) -> None:
    record = office.authority.issue(order_for("web.example"))

    assert record.not_before == NOW.timestamp() - 60
    assert record.not_after == (NOW + timedelta(hours=24)).timestamp()


def test_nothing_of_the_request_but_key_and_names_reaches_the_certificate(office: Office) -> None:
    record = office.authority.issue(order_for(request=request_for("web.example", common_name="web")))

    certificate = x509.load_der_x509_certificate(record.der)
    assert {extension.oid for extension in certificate.extensions} == {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }


def test_prepared_certificate_is_not_in_the_inventory_until_it_is_recorded(office: Office) -> None:
    order = order_for("web.example")
    before = total_of(office)

    (issuance,) = office.authority.prepare([order])

    assert not isinstance(issuance, Exception)
    assert total_of(office) == before
    office.authority.record([order], [issuance])
    assert total_of(office) == before + 1


def test_one_bad_order_of_a_batch_fails_alone(office: Office) -> None:
    good, bad, other = office.authority.prepare(
        [order_for("a.example"), order_for(request=b"not a request"), order_for("b.example")]
    )

    assert isinstance(bad, CertsError)
    assert not isinstance(good, Exception)
    assert not isinstance(other, Exception)


@pytest.mark.parametrize("profile", ["root", "intermediate", "", "no-such-profile"])
def test_only_leaf_profiles_are_to_be_had(office: Office, profile: str) -> None:
    with pytest.raises(InvalidArgument, match="take one of"):
        office.authority.issue(order_for("web.example", profile=profile))


def test_caller_whom_no_rule_names_gets_nothing(office: Office) -> None:
    before = total_of(office)

    with pytest.raises(PolicyDenied, match=r"web\.example"):
        office.authority.issue(order_for("web.example", caller=workload()))
    assert total_of(office) == before


def test_cluster_administrators_are_made_only_as_the_rule_says(office: Office) -> None:
    masters = CertificateRequest.from_bytes(request_for())
    asked = CertificateRequest(
        public_key=masters.public_key,
        public_key_info=masters.public_key_info,
        key_type=masters.key_type,
        subject=SubjectName(common_name="operator", organizations=("system:masters",)),
        names=SubjectAlternativeNames(),
    )

    record = office.authority.issue(order_for(request=asked, profile="client"))

    assert record.not_after - NOW.timestamp() <= timedelta(hours=24).total_seconds()
    with pytest.raises(PolicyDenied):
        office.authority.issue(order_for(request=asked, profile="client", caller=workload()))
    with pytest.raises(PolicyDenied):
        office.authority.issue(order_for(request=asked, profile="peer"))
    with pytest.raises(PolicyDenied):
        office.authority.issue(order_for(request=asked, profile="client", lifetime=timedelta(days=30)))


def test_policy_shortens_the_usual_lifetime_and_refuses_a_longer_one(premises: Premises) -> None:
    with premises.open() as office:
        policy = office.settings.policy_file
        policy.write_text(policy.read_text().replace("max_lifetime: 24h", "max_lifetime: 2h"))
        office.policy.refresh()
        request = request_for(uris=(SPIFFE_ID,))

        record = office.authority.issue(order_for(request=request, profile="workload", caller=workload()))

        assert record.not_after == (NOW + timedelta(hours=2)).timestamp()
        with pytest.raises(PolicyDenied, match="2h"):
            office.authority.issue(
                order_for(request=request, profile="workload", caller=workload(), lifetime=timedelta(hours=3))
            )


@pytest.mark.parametrize("lifetime", [timedelta(minutes=4), timedelta(days=91)])
def test_lifetime_outside_the_profile_is_refused(office: Office, lifetime: timedelta) -> None:
    with pytest.raises(LifetimeOutOfRange):
        office.authority.issue(order_for("web.example", lifetime=lifetime))


def test_default_lifetime_ends_with_the_issuer_and_an_asked_one_is_refused(premises: Premises) -> None:
    with premises.open() as office:
        premises.clock.instant = office.issuers.active().issuer.not_after - timedelta(hours=2)

        record = office.authority.issue(order_for("web.example"))

        assert record.not_after == office.issuers.active().issuer.not_after.timestamp()
        with pytest.raises(LifetimeOutOfRange, match="2h"):
            office.authority.issue(order_for("web.example", lifetime=timedelta(hours=3)))


def test_expired_issuer_signs_nothing(premises: Premises) -> None:
    with premises.open() as office:
        premises.clock.instant = office.issuers.active().issuer.not_after + timedelta(seconds=1)

        with pytest.raises(IssuerExpired, match="rotate"):
            office.authority.issue(order_for("web.example"))


def test_profile_without_its_names_is_refused(office: Office) -> None:
    with pytest.raises(NameRequired):
        office.authority.issue(order_for(request=request_for(common_name="web")))
    with pytest.raises(NameNotAllowed, match="exactly one URI"):
        office.authority.issue(order_for("web.example", profile="workload"))
    with pytest.raises(NameNotAllowed):
        office.authority.issue(order_for(request=request_for("web.example", uris=(SPIFFE_ID,))))


def test_retry_returns_the_same_certificate(office: Office) -> None:
    request = request_for("web.example")

    first = office.authority.issue(order_for(request=request, request_id="retry"))
    again = office.authority.issue(order_for(request=request, request_id="retry"))

    assert again == first


def test_retry_with_another_key_is_refused(office: Office) -> None:
    office.authority.issue(order_for("web.example", request_id="another-key"))

    with pytest.raises(RequestIdReused, match="fresh"):
        office.authority.issue(order_for("web.example", request_id="another-key"))


def test_retry_with_other_names_is_refused(office: Office) -> None:
    key = generate_private_key(KeyType.EC_P256)
    office.authority.issue(order_for(request=request_for("a.example", key=key), request_id="other-names"))

    with pytest.raises(RequestIdReused):
        office.authority.issue(order_for(request=request_for("b.example", key=key), request_id="other-names"))


def test_request_ids_of_two_callers_do_not_meet(office: Office) -> None:
    first = office.authority.issue(order_for("web.example", request_id="two-callers"))

    second = office.authority.issue(order_for("web.example", request_id="two-callers", caller=administrator("another")))

    assert second.id != first.id


def test_retry_within_one_batch_is_one_certificate(office: Office) -> None:
    order = order_for("web.example", request_id="one-batch")
    before = total_of(office)

    issuances = office.authority.prepare([order, order])
    first, second = office.authority.record([order, order], issuances)  # type: ignore[arg-type]

    assert first == second
    assert total_of(office) == before + 1


def test_key_of_a_revoked_certificate_gets_no_other(office: Office) -> None:
    key = generate_private_key(KeyType.EC_P256)
    record = office.authority.issue(order_for(request=request_for("web.example", key=key)))
    registry_of(office).revoke(call_of(administrator()), record.id, reason=1)

    with pytest.raises(WeakKey, match="make a new one"):
        office.authority.issue(order_for(request=request_for("other.example", key=key)))


def test_exact_binding_refuses_other_names_and_overrules_the_subject(office: Office) -> None:
    binding = Binding(
        subject=SubjectName(common_name="bound"),
        names=SubjectAlternativeNames.parse(dns=("a.example", "b.example")),
        exact=True,
    )

    record = office.authority.issue(order_for(request=request_for("a.example", common_name="asked"), binding=binding))

    assert record.subject == "CN=bound"
    assert [value for kind, value in record.names if kind == "dns"] == ["a.example", "b.example"]
    with pytest.raises(RequestInvalid, match=r"not bound to c\.example"):
        office.authority.issue(order_for("c.example", binding=binding))


def test_loose_binding_overrules_what_is_asked(office: Office) -> None:
    binding = Binding(subject=SubjectName(), names=SubjectAlternativeNames.parse(dns=("a.example",)), exact=False)

    record = office.authority.issue(order_for("c.example", binding=binding))

    assert record.names == (("dns", "a.example"),)


def test_key_made_by_the_server_is_kept_sealed(office: Office) -> None:
    key = generate_private_key(KeyType.EC_P256)

    record = office.authority.issue(order_for(request=request_for("web.example", key=key), server_key=key))

    assert record.has_private_key
    pem = registry_of(office).take_private_key(call_of(administrator()), record.id)
    assert load_private_key(pem).public_key() == key.public_key()
    database = (office.settings.data_directory / "chancery.db").read_bytes()
    assert b"PRIVATE KEY" not in database


def test_crl_distribution_point_names_the_shard(premises: Premises) -> None:
    with premises.open(crl_base_url="http://ca.example/", crl_shards=4) as office:
        record = office.authority.issue(order_for("web.example"))

        points = x509.load_der_x509_certificate(record.der).extensions.get_extension_for_class(
            x509.CRLDistributionPoints
        )
        (uri,) = points.value[0].full_name or []
        assert uri.value == f"http://ca.example/crl/{record.issuer_id}/{record.crl_shard}.crl"
        assert 0 <= record.crl_shard < 4


def test_serials_and_ids_never_repeat(office: Office) -> None:
    request = request_for("web.example")

    records = [office.authority.issue(order_for(request=request)) for _ in range(20)]

    assert len({record.serial for record in records}) == len({record.id for record in records}) == 20


def test_failed_transaction_returns_no_certificate(premises: Premises) -> None:
    order = order_for("web.example")
    with premises.open() as office:
        issuances = office.authority.prepare([order])
        office.database.close()

        with pytest.raises(StoreUnavailable):
            office.authority.record([order], issuances)  # type: ignore[arg-type]


def test_the_process_itself_needs_no_rule(office: Office) -> None:
    record = office.authority.issue(
        order_for("localhost", call=Call(caller=Caller.local(), id="serving"), operation=Operation.ISSUE)
    )

    assert record.requester == "local"
