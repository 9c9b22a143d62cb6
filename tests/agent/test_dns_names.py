"""An agent that wants DNS names: it waits for the cluster's registrar, and asks anew when the list is another."""

from datetime import timedelta

import pytest

from agent.errors import RequestRefused
from agent.renewer import Renewed
from ca.callers import Caller
from ca.calls import Call
from ca.orders import PodIdentity
from ca.registrar import Registrar
from certs.names import TrustDomain
from tests.agent.pods import new_token, pod_of
from tests.agent.test_service_account import cluster, lose_answers, server
from tests.ca.cluster.api_server import BoundToken
from tests.ca.offices import total_of

__all__ = ["cluster", "server"]

NAMES = ("cart.shop.svc", "cart.shop.svc.cluster.local")
REGISTRAR = Call(caller=Caller.hypothetical(organizations=("chancery:registrars",)), id="test")


@pytest.fixture
def token():
    return BoundToken()


@pytest.fixture
def pod(server, cluster, token, tmp_path):
    cluster.answer = None
    pod = pod_of(server, tmp_path, dns_names=NAMES)
    pod.token_file.write_text(cluster.knows(token) + "\n")
    return pod


@pytest.fixture
def register(server, token):
    office = server.office
    registrar = Registrar(
        pods=office.pods,
        revocations=office.revocations,
        policy=office.policy,
        clock=office.clock,
        trust_domain=TrustDomain.parse("cluster.local"),
    )
    identity = PodIdentity(
        namespace=token.namespace,
        service_account=token.service_account,
        pod_name=token.pod_name,
        pod_uid=token.pod_uid,
        node_name=token.node_name,
    )
    return lambda *dns: registrar.register(REGISTRAR, identity, dns)


def reasons(pod) -> list[str]:
    return [event.error.refusal for event in pod.failures if isinstance(event.error, RequestRefused)]


def test_first_certificate_waits_for_the_registrar(pod, register):
    pod.on_pause = lambda number: register(*NAMES) if number == 3 else None

    pod.run(4)

    assert pod.held.dns_names == NAMES
    assert reasons(pod) == ["NAMES_NOT_REGISTERED"] * 3
    assert pod.pauses[:3] == sorted(pod.pauses[:3])


def test_names_that_come_late_are_not_waited_for_much_longer(pod, register):
    pod.on_pause = lambda number: register(*NAMES) if number == 9 else None

    pod.run(10)

    assert pod.held.dns_names == NAMES
    assert max(pod.pauses[:9]) <= 12


def test_renewal_keeps_the_names_without_the_token(pod, register):
    register(*NAMES)
    pod.run()
    first = pod.held
    pod.token_file.unlink()
    pod.clock.advance((first.not_after - first.not_before) * 0.8)

    pod.run()

    assert pod.held.fingerprint != first.fingerprint
    assert pod.held.dns_names == NAMES


@pytest.mark.parametrize("wanted", [(NAMES[0],), (), ("CART.shop.svc",)], ids=["fewer", "none", "in capitals"])
def test_another_list_is_asked_for_at_the_first_look(pod, register, wanted):
    register(*NAMES)
    pod.run()
    pod.restart()
    pod.dns_names = wanted

    pod.run()

    assert pod.held.dns_names == tuple(name.lower() for name in wanted)
    assert "POST /v1/certificates:renew" not in pod.line.asked


def test_certificate_with_the_names_of_before_is_followed_by_the_one_with_others(pod, register, server):
    def record():
        return server.office.inventory.find(f"{pod.held.leaf.serial_number:032x}")

    register(*NAMES)
    pod.run()
    first = record()
    pod.restart()
    pod.dns_names = NAMES[:1]

    pod.run()

    assert (first.renewed_from, record().renewed_from) == (None, first.id)


def test_the_same_list_in_another_order_is_nothing_to_ask_for(pod, register, server):
    register(*NAMES)
    pod.run()
    issued = total_of(server.office)
    pod.restart()
    pod.dns_names = NAMES[::-1]

    pod.run(3)

    assert total_of(server.office) == issued


def test_what_is_held_serves_on_while_other_names_are_not_to_be_had(pod, register, server):
    """Until it is due; then it is renewed with the names that it has."""
    register(NAMES[0])
    pod.dns_names = NAMES[:1]
    pod.run()
    first = pod.held
    pod.restart()
    pod.dns_names = NAMES

    pod.run(2)
    assert pod.held.fingerprint == first.fingerprint
    pod.clock.advance((first.not_after - first.not_before) * 0.8)
    pod.run(2)

    assert pod.held.fingerprint != first.fingerprint
    assert pod.held.dns_names == NAMES[:1]
    assert any("names that are wanted" in note for note in pod.notes)
    register(*NAMES)
    pod.clock.advance(timedelta(hours=1))
    pod.run()
    assert pod.held.dns_names == NAMES


def test_names_that_were_taken_away_are_asked_for_by_the_token_until_they_are_back(pod, register):
    register(*NAMES)
    pod.run()
    first = pod.held
    register()
    pod.clock.advance((first.not_after - first.not_before) * 0.8)

    pod.run(2)
    assert pod.held.fingerprint == first.fingerprint
    assert set(reasons(pod)) == {"NAMES_NOT_REGISTERED"}
    assert any("does not renew itself" in note for note in pod.notes)
    register(*NAMES)
    pod.clock.advance(timedelta(minutes=30))
    pod.run()

    assert pod.held.fingerprint != first.fingerprint
    assert pod.held.dns_names == NAMES


def test_lost_answer_and_then_another_list(pod, register):
    """The token's key is the same, the request is another one."""
    register(*NAMES)
    lossy = lose_answers(pod)
    pod.run()
    lossy[0] = False
    pod.restart()
    pod.dns_names = NAMES[:1]

    pod.run()

    assert pod.held.dns_names == NAMES[:1]


def test_agent_that_dies_before_it_publishes_what_has_other_names_gets_the_same_again(pod, register, server):
    register(*NAMES)
    pod.run()
    pod.dns_names = NAMES[:1]
    given = pod.enrollment()(pod.held)
    total = total_of(server.office)
    pod.restart()
    pod.run()

    assert pod.held.fingerprint == given.fingerprint
    assert total_of(server.office) == total


def test_one_time_token_says_itself_what_it_is_for(pod, server):
    pod.token_file.write_text(new_token(server) + "\n")

    pod.run(3)

    assert pod.held.dns_names == ()
    assert [type(event) for event in pod.events].count(Renewed) == 1
    assert pod.failures == []
