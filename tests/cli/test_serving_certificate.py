"""A serving certificate from a running authority: asked for, renewed, its trust bundle kept up to date."""

from datetime import timedelta

import pytest

from certs.alternative_names import SubjectAlternativeNames
from cli.endpoint import Endpoint
from cli.serving_certificate import ServingCertificateKeeper
from tests.ca.server import running_server


@pytest.fixture
def server(tmp_path):
    with running_server(tmp_path / "ca") as server:
        yield server


@pytest.fixture
def keeper(server, tmp_path):
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
    return ServingCertificateKeeper(endpoint, common_name="reports", names=names, clock=server.clock)


def test_certificate_has_the_names_and_a_key_of_its_own(keeper, server):
    first, second = keeper.ask(), keeper.ask()

    assert "reports.example.svc" in str(first.leaf.extensions)
    assert first.trust_bundle == server.administrator.roots
    assert first.private_key != second.private_key


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


def test_renewed_certificate_takes_the_place_of_the_one_before(keeper, server):
    def record(credentials):
        return server.office.inventory.find(f"{credentials.leaf.serial_number:032x}")

    first, second = keeper.ask(), keeper.ask()

    assert record(first).renewed_from is None
    assert record(second).renewed_from == record(first).id


def test_certificate_that_the_authority_has_forgotten_is_followed_all_the_same(keeper):
    keeper.ask()
    keeper._replaced = "0" * 32

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
