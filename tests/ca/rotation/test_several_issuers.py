"""Several issuing CAs below one root, each for its leaf profiles: added, replaced, removed, and replaced with the root."""

from datetime import timedelta

import pytest
from cryptography.x509 import load_der_x509_certificate

from ca.bootstrap import BroughtHierarchy
from ca.errors import InvalidArgument, NoActiveIssuer, ProfilesServed, RotationUnderWay
from ca.office import Office
from certs.chains import verify_chain
from store.records import CertificateRecord
from tests.ca.hierarchies import YEAR, authority
from tests.ca.offices import Premises, order_for, request_for
from tests.ca.rotation.test_offline_root import signed
from tests.ca.rotation.worlds import ADMINISTRATOR, Consumer, Holder, settle

ALONE = ["workload", "client"]


def added(office: Office, premises: Premises, *profiles: str) -> str:
    """The id of an issuing CA that serves these by now."""
    office.rotations.add(profiles, "now", ADMINISTRATOR)
    settle(office, premises.clock)
    return office.issuers.active(profiles[0]).id


def workload_of(office: Office) -> CertificateRecord:
    request = request_for(uris=["spiffe://cluster.local/ns/shop/sa/web"])
    return office.authority.issue(order_for(profile="workload", request=request))


def states(office: Office) -> list[tuple[str, str]]:
    return [(one.serves, one.state) for one in office.authorities.list() if one.profile == "intermediate"]


def test_each_profile_is_signed_by_the_issuing_ca_that_serves_it_and_one_root_is_trusted(
    office: Office, premises: Premises
) -> None:
    first = office.issuers.active().id
    alone = added(office, premises, *ALONE)

    records = [office.authority.issue(order_for("web.example")), workload_of(office)]

    assert [one.issuer_id for one in records] == [first, alone]
    for record in records:
        leaf, above = load_der_x509_certificate(record.der), office.issuers.certificate(record.issuer_id)
        assert verify_chain(leaf, [above], office.issuers.bundle.roots, at=premises.clock())
    assert [office.issuers.active(profile).id for profile in ("server", "peer", "ocsp", "")] == [first] * 4
    assert [office.issuers.active(profile).id for profile in ALONE] == [alone] * 2
    assert {one.id for one in office.issuers.signing()} == {first, alone}


def test_until_it_is_known_everywhere_the_one_before_signs(office: Office, premises: Premises) -> None:
    first = office.issuers.active().id
    office.rotations.add(["workload"], "now", ADMINISTRATOR)
    assert workload_of(office).issuer_id == first

    holder = Holder(office, "web.example")
    settle(office, premises.clock)

    assert workload_of(office).issuer_id != first
    assert not holder.is_asked_to_renew
    assert states(office) == [("", "active"), ("workload", "active")]


def test_it_is_there_after_a_restart(premises: Premises) -> None:
    with premises.open() as office:
        alone = added(office, premises, "workload")

    with premises.open() as office:
        assert workload_of(office).issuer_id == alone


def test_a_rotation_replaces_the_issuing_ca_of_its_profile_and_no_other(office: Office, premises: Premises) -> None:
    first, alone = office.issuers.active().id, added(office, premises, *ALONE)
    holder = Holder(office, "web.example")

    office.rotations.start("issuer", "now", ADMINISTRATOR, "client")
    settle(office, premises.clock)

    assert office.issuers.active().id == first
    assert office.issuers.active("workload").id not in {first, alone}
    assert not holder.is_asked_to_renew
    assert states(office) == [("", "active"), ("client workload", "retired"), ("client workload", "active")]

    office.rotations.start("issuer", "now", ADMINISTRATOR, "server")
    settle(office, premises.clock)
    holder.renew()
    settle(office, premises.clock)
    assert states(office)[0] == ("", "retired")
    assert states(office)[2:] == [("client workload", "active"), ("", "active")]


def test_a_rotation_of_the_root_replaces_all(office: Office, premises: Premises) -> None:
    before = {office.issuers.active().id, added(office, premises, "workload")}
    verifier = Consumer(office, "verifier")
    verifier.follow()

    office.rotations.start("root", "now", ADMINISTRATOR)
    for _ in range(3):
        verifier.follow()
        settle(office, premises.clock)

    after = {office.issuers.active().id, office.issuers.active("workload").id}
    assert len(after) == 2
    assert not before & after
    assert {office.issuers.root_id(one) for one in after} == {office.issuers.root_id(office.issuers.active().id)}
    assert states(office) == [("", "retired"), ("workload", "retired"), ("", "active"), ("workload", "active")]
    assert workload_of(office).issuer_id == office.issuers.active("workload").id


def test_removed_the_one_for_all_others_signs_and_it_goes_once_nobody_relies_on_it(
    office: Office, premises: Premises
) -> None:
    first, alone = office.issuers.active().id, added(office, premises, "workload")
    workload = workload_of(office)

    office.rotations.remove("workload", "now", ADMINISTRATOR)
    settle(office, premises.clock)

    assert workload_of(office).issuer_id == first
    assert office.rotations.status().observed.in_use == (workload,)
    assert states(office) == [("", "active"), ("workload", "passive")]
    premises.clock.advance(timedelta(hours=25))
    settle(office, premises.clock)
    assert states(office) == [("", "active"), ("workload", "retired")]
    assert alone not in {one.id for one in office.issuers.signing()}


@pytest.mark.parametrize("looks", [0, 1])
def test_an_addition_can_be_turned_back_before_it_signs_and_after(
    office: Office, premises: Premises, looks: int
) -> None:
    first = office.issuers.active().id
    office.rotations.add(["workload"], "now", ADMINISTRATOR)
    for _ in range(looks):
        premises.clock.advance(timedelta(seconds=20))
        assert office.rotations.look()
    assert (workload_of(office).issuer_id == first) == (looks == 0)

    office.rotations.abort(ADMINISTRATOR)

    assert workload_of(office).issuer_id == first
    premises.clock.advance(timedelta(hours=25))
    settle(office, premises.clock)
    assert states(office) == [("", "active"), ("workload", "retired")]


def test_what_cannot_be_added_or_removed_is_refused_with_the_reason(office: Office, premises: Premises) -> None:
    with pytest.raises(InvalidArgument, match="no leaf profile 'root'"):
        office.rotations.add(["root"], "now", ADMINISTRATOR)
    with pytest.raises(InvalidArgument, match="no leaf profile 'wrkload'"):
        office.rotations.start("issuer", "now", ADMINISTRATOR, "wrkload")
    with pytest.raises(InvalidArgument, match="name the profiles"):
        office.rotations.add([], "now", ADMINISTRATOR)
    with pytest.raises(ProfilesServed, match="no issuing CA serves profile server alone"):
        office.rotations.remove("server", "now", ADMINISTRATOR)
    office.rotations.add(["workload"], "now", ADMINISTRATOR)
    with pytest.raises(RotationUnderWay):
        office.rotations.add(["client"], "now", ADMINISTRATOR)
    with pytest.raises(RotationUnderWay, match="another issuing CA"):
        office.rotations.start("issuer", "emergency", ADMINISTRATOR, "server")
    settle(office, premises.clock)
    with pytest.raises(ProfilesServed, match="rotate issuer --profile workload"):
        office.rotations.add(["client", "workload"], "now", ADMINISTRATOR)


def test_each_is_replaced_when_it_is_due(office: Office, premises: Premises) -> None:
    premises.clock.advance(timedelta(days=100))
    office.rotations.look()
    alone = added(office, premises, "workload")
    first = office.issuers.active().id

    premises.clock.instant = office.rotations.status().issuer_due
    settle(office, premises.clock)
    premises.clock.advance(timedelta(hours=2))
    settle(office, premises.clock)
    assert office.issuers.active().id != first
    assert office.issuers.active("workload").id == alone

    premises.clock.instant = office.rotations.status().issuer_due
    settle(office, premises.clock)
    premises.clock.advance(timedelta(hours=2))
    settle(office, premises.clock)
    assert office.issuers.active("workload").id != alone


def test_where_its_key_is_lost_no_other_signs_in_its_place(premises: Premises) -> None:
    with premises.open() as office:
        alone = added(office, premises, "workload")
    (premises.directory / "keys" / f"{alone}.pem").unlink()

    with premises.open() as office:
        with pytest.raises(NoActiveIssuer, match="serves profile workload"):
            workload_of(office)
        assert office.authority.issue(order_for("web.example"))
        assert not office.rotations.look()
        assert office.rotations.status().issuer_due == office.rotations._due(office.issuers.active().id)


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_where_its_key_is_lost_it_can_be_replaced_or_removed(premises: Premises, how: str) -> None:
    with premises.open() as office:
        alone = added(office, premises, "workload")
    (premises.directory / "keys" / f"{alone}.pem").unlink()

    with premises.open() as office:
        office.rotations.look()
        if how == "replaced":
            office.rotations.start("issuer", "now", ADMINISTRATOR, "workload")
        else:
            office.rotations.remove("workload", "now", ADMINISTRATOR)
        settle(office, premises.clock)

        assert (workload_of(office).issuer_id == office.issuers.active().id) == (how == "removed")
        assert ("workload", "retired") in states(office)


def test_where_the_key_of_the_one_for_all_others_is_lost_it_can_be_replaced_while_the_others_go_on(
    premises: Premises,
) -> None:
    with premises.open() as office:
        added(office, premises, "workload")
        lost = office.issuers.active().id
    (premises.directory / "keys" / f"{lost}.pem").unlink()

    with premises.open() as office:
        office.rotations.look()
        assert workload_of(office)
        with pytest.raises(NoActiveIssuer, match="restore its key"):
            office.authority.issue(order_for("web.example"))

        office.rotations.start("issuer", "now", ADMINISTRATOR)
        settle(office, premises.clock)
        assert office.authority.issue(order_for("web.example")).issuer_id != lost


@pytest.mark.parametrize("kind", ["issuer", "root"])
def test_where_the_only_key_of_an_issuing_ca_is_lost_a_rotation_still_begins(premises: Premises, kind: str) -> None:
    with premises.open() as office:
        lost = office.issuers.active().id
    (premises.directory / "keys" / f"{lost}.pem").unlink()

    with premises.open() as office:
        office.rotations.look()
        assert office.rotations.status().rotation is None
        office.rotations.start(kind, "now", ADMINISTRATOR)
        settle(office, premises.clock)
        assert office.authority.issue(order_for("web.example"))


def test_below_an_offline_root_each_has_a_request_of_its_own(premises: Premises) -> None:
    root = authority("Offline Root", lifetime=10 * YEAR)
    issuer = authority("Own Issuer", issuer=root, path_length=0)
    with premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=issuer.pair)) as office:
        office.rotations.look()
        whole = office.rotations.request(ADMINISTRATOR)
        alone = office.rotations.request(ADMINISTRATOR, ["workload"])
        assert whole != alone

        office.rotations.start_with(signed(alone, root), "now", ADMINISTRATOR)
        settle(office, premises.clock)
        assert workload_of(office).issuer_id == alone.authority_id
        assert office.rotations.request(ADMINISTRATOR) == whole

        again = office.rotations.request(ADMINISTRATOR, ["workload"])
        office.rotations.start_with(signed(again, root), "now", ADMINISTRATOR)
        settle(office, premises.clock)
        assert workload_of(office).issuer_id == again.authority_id
        assert office.issuers.active().issuer.certificate == issuer.certificate
