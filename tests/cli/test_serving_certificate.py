"""A serving certificate from a running authority: asked for, renewed, its trust bundle kept up to date."""

from datetime import timedelta
from functools import partial

import pytest

from agent.credentials import Credentials
from certs.alternative_names import SubjectAlternativeNames
from certs.crl import RevocationReason
from cli.endpoint import Endpoint
from cli.places import Place
from cli.serving_certificate import ServingCertificateKeeper
from tests.ca.server import running_server


@pytest.fixture
def server(tmp_path):
    with running_server(tmp_path / "ca") as server:
        yield server


@pytest.fixture
def make_keeper(server, tmp_path):
    endpoint = Endpoint(
        server=server.grpc_target,
        enrollment_server=None,
        http_server=None,
        identity=server.write_identity(tmp_path / "identity"),
        client_cert=None,
        client_key=None,
        ca_cert=None,
        timeout=timedelta(seconds=20),
        plaintext=False,
    )
    names = SubjectAlternativeNames.parse(dns=("localhost", "reports.example.svc"))
    return partial(ServingCertificateKeeper, endpoint, common_name="reports", names=names, clock=server.clock)


@pytest.fixture
def keeper(make_keeper):
    return make_keeper()


@pytest.fixture
def begun(make_keeper, tmp_path):
    """A process as it starts: with the place that it finds. The one before it has ended where the place was closed."""
    return lambda: make_keeper(place=Place.take(tmp_path / "held.json", boot="4a6f"))


def record(server, credentials):
    return server.office.inventory.find(f"{credentials.leaf.serial_number:032x}")


def killed(keeper):
    keeper._place.close()


def test_certificate_has_the_names_and_a_key_of_its_own(keeper, server):
    first, second = keeper.ask(), keeper.ask()

    assert "reports.example.svc" in str(first.leaf.extensions)
    assert first.trust_bundle == server.administrator.roots
    assert first.private_key != second.private_key


@pytest.mark.parametrize(("asked", "lifetime"), [(timedelta(hours=2), timedelta(hours=2)), (None, timedelta(hours=24))])
def test_certificate_lives_as_long_as_was_asked_for(make_keeper, server, asked, lifetime):
    held = make_keeper(lifetime=asked).ask()

    assert abs(held.not_after - server.clock() - lifetime) < timedelta(minutes=10)


def test_certificate_is_renewed_when_two_thirds_of_its_life_are_over(keeper, server):
    published = []
    held = keeper.ask()
    renewer = keeper.renewer(published.append)
    renewer.step()
    before = list(published)
    server.clock.advance(timedelta(hours=20))
    renewer.step()

    assert before == []
    (fresh,) = published
    assert fresh.fingerprint != held.fingerprint
    assert fresh.not_after > held.not_after


def test_certificate_of_an_authority_that_was_made_anew_is_replaced_at_once(keeper, server, tmp_path):
    """As after a loss: the same address, other roots."""
    published = []
    with running_server(tmp_path / "lost") as lost:
        of_lost = lost.administrator
    keeper._held = Credentials.from_pem(
        certificate_chain=of_lost.chain, private_key=of_lost.private_key, trust_bundle=of_lost.roots
    )
    keeper.renewer(published.append).step()

    *_, fresh = published
    assert fresh.trust_bundle == server.administrator.roots
    assert keeper._held == fresh
    assert record(server, fresh) is not None


def test_renewed_certificate_takes_the_place_of_the_one_before(keeper, server):
    first, second = keeper.ask(), keeper.ask()

    assert record(server, first).renewed_from is None
    assert record(server, second).renewed_from == record(server, first).id


def test_process_that_starts_in_the_place_of_a_killed_one_takes_over_from_it(begun, server):
    first = (before := begun()).ask()
    killed(before)

    second = begun().ask()

    assert record(server, second).renewed_from == record(server, first).id


def test_process_that_starts_beside_one_that_lives_leaves_it_alone(begun, server):
    first, second = (one := begun()).ask(), (other := begun()).ask()
    again = other.ask()

    assert [record(server, held).renewed_from for held in (first, second)] == [None, None]
    assert record(server, again).renewed_from == record(server, second).id
    assert record(server, one.ask()).renewed_from == record(server, first).id


def test_what_was_issued_to_a_process_that_was_killed_before_it_heard_of_it_is_followed(begun, server):
    first = (before := begun()).ask()
    before._place.settle = lambda *_names: killed(before)  # what is written down at the end is not
    lost = before.ask()

    present = begun().ask()

    assert record(server, lost).renewed_from == record(server, first).id
    assert record(server, present).renewed_from == record(server, lost).id


def test_what_was_never_issued_is_passed_over(begun, server):
    first = (before := begun()).ask()
    before._place.note("never-1")
    before._place.note("never-2")
    killed(before)

    assert record(server, begun().ask()).renewed_from == record(server, first).id


def test_what_is_given_up_is_revoked_and_followed_by_nothing(begun, server):
    first = (before := begun()).ask()

    before.give_up()
    before.give_up()
    killed(before)

    assert record(server, first).revocation_reason == RevocationReason.CESSATION_OF_OPERATION
    assert record(server, begun().ask()).renewed_from is None


def test_nothing_is_given_up_where_nothing_is_held(keeper):
    keeper.give_up()


@pytest.mark.parametrize("obstacle", ["no identity", "revoked already"])
def test_giving_up_in_vain_does_no_harm_and_the_next_one_says_so(begun, server, tmp_path, obstacle):
    first = (before := begun()).ask()
    identity = tmp_path / "identity"
    if obstacle == "no identity":
        identity.rename(tmp_path / "away")
    else:
        before.give_up()
        before._held = first

    before.give_up()
    if obstacle == "no identity":
        (tmp_path / "away").rename(identity)
    killed(before)

    followed = record(server, begun().ask()).renewed_from
    assert followed == (record(server, first).id if obstacle == "no identity" else None)


def test_certificate_that_the_authority_has_forgotten_is_followed_all_the_same(keeper):
    keeper.ask()
    keeper._place.settle("0" * 32)

    assert keeper.ask().leaf


def test_authority_that_is_away_costs_nothing_that_is_held(keeper, server, tmp_path):
    published = []
    held = keeper.ask()
    renewer = keeper.renewer(published.append)
    renewer.step()
    (tmp_path / "identity" / "tls.key").unlink()
    server.clock.advance(timedelta(hours=20))
    waits = renewer.step()

    assert published == []
    assert 0 < waits <= 60
    assert keeper._held == held
