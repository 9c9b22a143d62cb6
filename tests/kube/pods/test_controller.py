"""The controller of pods between a cluster and an authority in memory: what it sees may differ from what is there."""

from datetime import timedelta

import pytest

from ca.client.errors import CallDenied, CallInvalid, CallUnavailable, ServerUnreachable
from ca.client.values import Pod, RevocationReason
from kube.errors import ClusterUnreachable, Forbidden, NotLeading
from kube.pods.settlement import LOOK_AGAIN, RELEASE_AGAIN
from tests.kube.pods import documents
from tests.kube.pods.world import World, changed, uid_of

NAMES = ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local")
ENDED = RevocationReason.CESSATION_OF_OPERATION
WITHDRAWN = RevocationReason.PRIVILEGE_WITHDRAWN


@pytest.fixture
def world():
    return World()


@pytest.fixture
def pod(world):
    """One that lives, selected by a Service, and is registered."""
    document = documents.pod()
    world.see(documents.service(), document)
    world.work()
    assert world.authority.names == {uid_of(document): NAMES}
    return document


def test_pod_is_registered_with_what_the_cluster_says_of_it(world, pod):
    assert world.authority.pods[uid_of(pod)] == Pod(
        namespace="shop", name="web-0", uid=uid_of(pod), service_account="web", node="node-1"
    )


def test_nothing_is_told_again(world, pod):
    world.see(changed(pod, resourceVersion="9"), documents.service())
    world.work()

    assert world.authority.calls["register"] == 1


def test_names_follow_services(world, pod):
    world.see(documents.service("front"))
    world.work()
    assert len(world.authority.names[uid_of(pod)]) == 6

    world.see(documents.service("front", selector={"app": "cart"}))
    world.work()
    assert world.authority.names[uid_of(pod)] == NAMES

    world.see_gone(documents.service())
    world.work()
    assert world.authority.names[uid_of(pod)] == ()


def test_names_follow_the_opting_in_of_the_namespace(world):
    pod = documents.pod(labels={"app": "web"})
    world.see(documents.service(), pod)
    world.work()
    assert world.authority.names == {}

    world.see(documents.namespace(opted_in=True))
    world.work()
    assert world.authority.names == {uid_of(pod): NAMES}

    world.see(documents.namespace())
    world.work()
    assert world.authority.names == {uid_of(pod): ()}


def test_names_follow_the_pod(world):
    pod = documents.pod(spec={"nodeName": ""})
    world.see(documents.service(), pod)
    world.work()
    assert world.authority.calls["register"] == 0

    placed = {**pod, "spec": {**pod["spec"], "nodeName": "node-2"}}
    world.see(placed)
    world.work()
    assert world.authority.pods[uid_of(pod)].node == "node-2"

    world.see(changed(placed, labels={"app": "cart", "chancery.dev/inject": "true"}))
    world.work()
    assert world.authority.names == {uid_of(pod): ()}


def test_pod_that_is_being_deleted_keeps_its_certificates_and_has_no_names(world, pod):
    world.see(changed(pod, deletionTimestamp=documents.at(documents.NOON)))
    world.work()

    assert world.authority.released == {}
    assert world.authority.names == {uid_of(pod): ()}


def test_owner_is_told_of_names_that_are_not_the_pod_s(world):
    pod = documents.pod(annotations={"chancery.dev/dns": "web, web.shop.svc"})
    world.see(documents.service(), pod)
    world.work()
    world.see(changed(pod, resourceVersion="9"))
    world.work()

    ((reason, message),) = world.said.all
    assert reason == "DnsNamesNotRegistered"
    assert "asks for web: no Service" in message
    assert "it may have web.shop.svc" in message


def test_pod_that_is_gone_is_released(world, pod):
    world.see_gone(pod)
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}


def test_pod_that_nobody_registered_is_released_as_well(world):
    """It may have enrolled by its own token a moment ago."""
    pod = documents.pod(labels={})
    world.see(pod)
    world.see_gone(pod)
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pod_that_has_ended_is_released_once(world, pod, phase):
    ended = {**pod, "status": {"phase": phase}}
    world.see(ended)
    answers = world.work()
    assert RELEASE_AGAIN in answers.values()

    world.see(changed(ended, resourceVersion="9"))
    world.work()
    world.see_gone(ended)
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}
    assert world.authority.calls["release"] == 1


def test_pod_that_has_ended_and_is_kept_is_released_again_before_the_authority_forgets(world, pod):
    ended = {**pod, "status": {"phase": "Failed"}}
    world.see(ended)
    world.work()

    world.now += RELEASE_AGAIN.total_seconds()
    world.see(ended)
    world.work()

    assert world.authority.calls["release"] == 2


def test_pod_whose_name_another_has_taken_is_released(world, pod):
    successor = documents.pod()
    world.see(successor)
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}
    assert world.authority.names == {uid_of(successor): NAMES}


def test_pod_that_a_list_does_not_show_is_still_there_if_it_is(world, pod):
    """A list out of an API server that lags, or that lost half of it."""
    world.collections["pods"].fill([])
    world.queue |= dict.fromkeys(world.watches["pods"].keys(pod))
    answers = world.work()

    assert world.authority.released == {}
    assert list(answers.values()) == [LOOK_AGAIN]


def test_pod_that_a_new_list_does_not_show_is_released(world, pod):
    world.take(pod)
    world.relist("pods")
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "Status", "status": "Failure"},
        {"kind": "PodList"},
        {"kind": "PodList", "items": None},
        {"kind": "NodeList", "items": []},
        {"kind": "PodList", "items": {}},
        {},
    ],
)
def test_answer_that_is_no_list_releases_nobody(world, pod, broken):
    world.cluster.broken = broken
    world.see_gone(pod)
    with pytest.raises(ClusterUnreachable):
        world.work()

    assert world.authority.released == {}


@pytest.mark.parametrize("error", [ClusterUnreachable("down"), Forbidden("no")])
def test_cluster_that_does_not_answer_releases_nobody(world, pod, error):
    world.cluster.error = error
    world.see_gone(pod)
    with pytest.raises(type(error)):
        world.work()
    assert world.authority.released == {}

    world.cluster.error = None
    world.work()
    assert world.authority.released == {uid_of(pod): ENDED}


@pytest.mark.parametrize("plural", ["pods", "serviceaccounts", "namespaces", "services"])
def test_kind_that_is_not_served_releases_nobody_and_takes_no_names(world, pod, plural):
    world.collections[plural].lose()
    world.queue |= dict.fromkeys(world.watches["pods"].keys(pod))
    world.seed()
    answers = world.work()

    assert set(answers.values()) == {LOOK_AGAIN}
    assert world.authority.released == {}
    assert world.authority.names == {uid_of(pod): NAMES}


def test_service_account_deleted_releases_all_its_pods_and_no_other(world, pod):
    second, other = documents.pod("web-1", labels={}), documents.pod("cart-0", spec={"serviceAccountName": "cart"})
    world.see(second, documents.account("cart"), other)
    world.work()

    world.see_gone(documents.account())
    world.work()

    assert world.authority.released == {uid_of(pod): WITHDRAWN, uid_of(second): WITHDRAWN}
    assert {reason for reason, _ in world.said.all} == {"CertificatesRevoked"}
    assert "delete it" in world.said.all[0][1]


def test_service_account_made_anew_at_once_is_another(world, pod):
    world.take(documents.account())
    world.see(documents.account(age=-timedelta(seconds=2)))
    successor = documents.pod("web-1", created=documents.NOON + timedelta(seconds=2))
    world.see(successor)
    world.work()

    assert world.authority.released == {uid_of(pod): WITHDRAWN}
    assert world.authority.names == {uid_of(successor): NAMES}


def test_pod_that_is_seen_before_its_service_account_is_not_released(world):
    pod = documents.pod(spec={"serviceAccountName": "cart"})
    account = documents.account("cart")
    world.put(account)
    world.see(documents.service(), pod)
    assert LOOK_AGAIN in world.work().values()
    assert world.authority.released == {}

    world.see(account)
    world.work()
    assert world.authority.names == {uid_of(pod): NAMES}


def test_service_account_that_an_old_list_shows_is_not_believed(world):
    """Made anew before the pod was, but for a moment the old one was seen beside it."""
    made_anew = documents.account(age=timedelta(seconds=1))
    pod = documents.pod()
    world.put(made_anew)
    world.see(documents.service(), pod)
    world.work()
    world.see(made_anew)
    world.work()

    assert world.authority.released == {}


def test_namespace_deleted_releases_all_its_pods_and_no_other(world, pod):
    other = documents.pod(namespace="bank")
    world.see(documents.namespace("bank"), documents.account(namespace="bank"), other)
    world.work()

    world.see_gone(documents.namespace())
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}


def test_namespace_that_is_being_deleted_takes_names_and_releases_nobody(world, pod):
    world.see(documents.namespace(deletionTimestamp=documents.at(documents.NOON)))
    world.work()

    assert world.authority.names == {uid_of(pod): ()}
    assert world.authority.released == {}


@pytest.mark.parametrize("error", [ServerUnreachable("down"), CallUnavailable("busy", status="UNAVAILABLE")])
def test_authority_that_is_away_loses_nothing(world, pod, error):
    second = documents.pod("web-1")
    world.see(second)
    world.see_gone(pod)
    world.authority.errors = [error] * 2
    with pytest.raises(type(error)):
        world.work()
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}
    assert world.authority.names == {uid_of(second): NAMES}


def test_next_registrar_releases_what_the_one_before_did_not(world, pod):
    world.take(pod)
    world.restart()
    world.work()

    assert world.authority.released == {uid_of(pod): ENDED}


def test_next_registrar_takes_names_that_went_meanwhile(world, pod):
    world.take(documents.service())
    world.restart()
    world.work()

    assert world.authority.names == {uid_of(pod): ()}


def test_next_registrar_leaves_alone_who_lives(world, pod):
    enrolled = documents.pod("cart-0", labels={})
    world.see(enrolled)
    world.authority.enrolled(enrolled)
    world.restart()
    world.work()
    before = dict(world.authority.calls)
    world.now += 600
    world.seed()
    world.work()

    assert world.authority.released == {}
    assert world.authority.names == {uid_of(pod): NAMES, uid_of(enrolled): ()}
    assert world.authority.calls["register"] == before["register"]
    assert world.authority.calls["list"] == before["list"] + 1


def test_full_pass_is_made_every_ten_minutes_and_sooner_after_a_failure(world, pod):
    lists = world.authority.calls["list"]
    for seconds in (60, 500, 40):
        world.now += seconds
        world.seed()
        world.work()
    assert world.authority.calls["list"] == lists + 1

    world.authority.failing[uid_of(pod)] = ServerUnreachable("down")
    world.see_gone(pod)
    with pytest.raises(ServerUnreachable):
        world.work()
    world.authority.failing.clear()
    world.seed()
    world.work()
    assert world.authority.calls["list"] == lists + 2


def test_authority_that_was_restored_from_a_backup_learns_names_again(world, pod):
    world.authority.names.clear()
    world.authority.pods.clear()
    world.now += 600
    world.seed()
    world.work()

    assert world.authority.names == {uid_of(pod): NAMES}


def test_list_of_the_authority_that_breaks_off_changes_nothing(world, pod):
    world.take(pod)
    world.collections["pods"].fill([])
    world.now += 600
    world.seed()
    world.authority.errors = [ServerUnreachable("cut")]
    with pytest.raises(ServerUnreachable):
        world.work()

    assert world.authority.released == {}


def test_one_pod_that_the_authority_does_not_take_keeps_nobody_from_the_full_pass(world, pod):
    others = [documents.pod(f"web-{number}") for number in range(1, 6)]
    world.see(*others)
    world.work()
    for gone in others:
        world.take(gone)
    world.authority.failing[uid_of(others[2])] = CallDenied("not yours", status="PERMISSION_DENIED")
    world.restart()
    with pytest.raises(CallDenied):
        world.work()

    assert set(world.authority.released) == {uid_of(one) for one in others} - {uid_of(others[2])}


def test_pod_of_the_authority_s_that_cannot_be_in_a_cluster_is_left_alone(world, pod):
    for number, name in enumerate(("../../nodes", "a b", "", "a,metadata.namespace=kube-system")):
        uid = f"odd-{number}"
        world.authority.pods[uid] = Pod(namespace="shop", name=name, uid=uid, service_account="web", node="")
    gone = documents.pod("web-9")
    world.authority.enrolled(gone)
    world.restart()
    world.work()

    assert set(world.authority.released) == {uid_of(gone)}


@pytest.mark.parametrize("refusal", [CallDenied("no", status="PERMISSION_DENIED"), CallInvalid("no", status="INVALID")])
def test_owner_is_told_that_the_authority_does_not_take_the_names(world, refusal):
    pod = documents.pod()
    world.authority.failing[uid_of(pod)] = refusal
    world.see(documents.service(), pod)
    with pytest.raises(type(refusal)):
        world.work()

    assert ("DnsNamesNotRegistered", "the authority does not take the pod's DNS names: no") in world.said.all


def test_pod_that_the_authority_has_released_is_left_alone_and_its_owner_told(world):
    pod = documents.pod()
    world.authority.released[uid_of(pod)] = WITHDRAWN
    world.see(documents.service(), pod)
    world.work()
    world.see(changed(pod, resourceVersion="9"))
    world.work()

    assert world.authority.calls["register"] == 1
    assert "released before" in world.said.all[0][1]


def test_who_does_not_lead_tells_nothing(world, pod):
    world.cluster.is_leading = False
    world.see_gone(pod)
    world.see(documents.pod("web-1"))
    with pytest.raises(NotLeading):
        world.work()

    assert world.authority.released == {}
    assert set(world.authority.names) == {uid_of(pod)}


def test_what_was_told_in_an_earlier_term_counts_for_nothing(world, pod):
    world.authority.names[uid_of(pod)] = ("told.by.another",)
    world.controller.begin_term()
    world.seed()
    world.work()

    assert world.authority.names == {uid_of(pod): NAMES}


def test_nothing_is_remembered_of_pods_that_are_gone(world, pod):
    for number in range(20):
        one = documents.pod(f"job-{number}", labels={})
        world.see(one)
        world.work()
        world.see_gone(one)
        world.work()

    assert len(world.controller._ledger) == 1


def test_names_that_come_and_go_are_told_to_the_authority_at_a_bounded_rate(world, pod):
    """Each is a record in the audit trail: whoever turns a Service to and fro must not fill the authority's disk."""
    aside, front = (documents.service(selector=selector) for selector in ({"app": "cart"}, {"app": "web"}))
    for _ in range(50):
        world.see(aside)
        world.work()
        assert world.authority.names[uid_of(pod)] == ()
        world.see(front)
        answers = world.work()
    at_once = world.authority.calls["register"]
    (again,) = filter(None, answers.values())
    world.now += again.total_seconds()
    world.see(front)
    world.work()

    assert at_once < 25
    assert timedelta(0) < again <= timedelta(minutes=1)
    assert world.authority.names[uid_of(pod)]


def test_names_that_a_pod_loses_are_taken_at_once_however_often_they_change(world, pod):
    for _ in range(20):
        world.see(documents.service(selector={"app": "cart"}))
        world.work()
        world.see(documents.service())
        world.work()
        world.now += 61.0
    world.see(documents.service(selector={"app": "cart"}))
    world.work()

    assert world.authority.names[uid_of(pod)] == ()
