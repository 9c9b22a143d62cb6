"""The controllers over a cluster in memory: what is written, once, though anything may happen between two steps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ca.client.errors import ServerUnreachable
from kube.controllers import Key
from kube.errors import ClusterUnreachable, Conflict, Refused
from kube.signers.errors import AnswerUnfit, OrderRefused
from kube.signers.lookups import Lookups
from kube.signers.pod_controller import ATTEMPTS
from kube.signers.pod_requests import POD_REQUESTS
from tests.kube.api_server import FakeCluster, Fault
from tests.kube.signers.documents import (
    OWN_ID,
    account_user,
    csr,
    issuer,
    issuer_request,
    node_user,
    person,
    pod,
    service,
)
from tests.kube.signers.rig import (
    BETA,
    BINDING,
    CSR,
    ISSUER,
    ISSUING,
    POD_REQUEST,
    POLICY,
    REQUEST,
    SHOP,
    SIGNING,
    Rig,
    body,
)


@pytest.fixture
def rig(fake: FakeCluster):
    made = Rig(fake)
    yield made
    made.cluster.close()


@pytest.mark.parametrize("signer", ["chancery.dev/workload", "chancery.dev/serving"])
def test_request_is_approved_and_then_signed(rig: Rig, signer: str):
    rig.ask(signer)
    rig.signing.reconcile(SIGNING)
    approved = rig.conditions(CSR)
    rig.signing.reconcile(SIGNING)
    rig.signing.reconcile(SIGNING)

    assert approved == {"Approved": "AutoApproved"}
    assert rig.status(CSR)["certificate"]
    assert rig.conditions(CSR) == approved
    assert rig.events.reasons == ["AutoApproved", "Issued"]
    assert len(rig.orders) == 1
    assert rig.registry.get_sample_value(
        "chancery_kube_signer_requests_total", {"resource": "certificatesigningrequests", "outcome": "Issued"}
    )


def test_node_is_denied_with_an_event_and_a_condition(rig: Rig):
    rig.ask("chancery.dev/client", node_user())
    rig.signing.reconcile(SIGNING)

    assert (rig.conditions(CSR), rig.events.reasons) == ({"Denied": "NodeNotPermitted"}, ["NodeNotPermitted"])
    assert rig.orders == []


def test_request_that_waits_says_so_once(rig: Rig):
    rig.ask("chancery.dev/serving", person())
    rig.signing.reconcile(SIGNING)
    rig.signing.reconcile(SIGNING)

    assert (rig.conditions(CSR), rig.events.reasons) == ({}, ["ApprovalNeeded"])


def test_service_that_comes_later_lets_it_be_approved(rig: Rig):
    rig.fake.remove(f"{SHOP}/services/cart")
    rig.ask("chancery.dev/serving")
    again = rig.signing.reconcile(SIGNING)
    rig.put(f"{SHOP}/services/cart", service())
    rig.signing.reconcile(SIGNING)

    assert again
    assert rig.conditions(CSR) == {"Approved": "AutoApproved"}


def test_order_that_the_authority_refuses_fails_with_its_reason(rig: Rig):
    rig.ask(conditions=["Approved"])
    rig.authority.faults.append(OrderRefused("no rule allows it", condition_reason="PolicyDenied"))
    rig.signing.reconcile(SIGNING)

    assert rig.conditions(CSR)["Failed"] == "PolicyDenied"
    assert rig.events.all == [("PolicyDenied", "no rule allows it")]


@pytest.mark.parametrize(
    ("controller", "key", "ask"),
    [
        ("signing", SIGNING, lambda rig: rig.ask(conditions=["Approved"])),
        ("pods", POD_REQUEST, Rig.ask_for_pod),
        ("requests", ISSUING, Rig.ask_as_cert_manager),
    ],
)
class TestEveryController:
    def test_authority_that_does_not_answer_is_told_once_and_asked_again(
        self, rig: Rig, controller: str, key: Key, ask: Callable[[Rig], None]
    ):
        ask(rig)
        rig.authority.faults += [ServerUnreachable("nobody answers"), ServerUnreachable("nobody answers")]
        for _ in range(2):
            with pytest.raises(ServerUnreachable):
                getattr(rig, controller).reconcile(key)
        rig.time.pass_by(30)
        getattr(rig, controller).reconcile(key)

        assert rig.events.reasons == ["AuthorityUnavailable", "Issued"]

    def test_leader_that_dies_before_the_status_is_written_leaves_one_certificate(
        self, rig: Rig, controller: str, key: Key, ask: Callable[[Rig], None]
    ):
        ask(rig)

        def die(_: Any) -> None:
            raise KeyboardInterrupt

        rig.authority.before_answer = die
        with pytest.raises(KeyboardInterrupt):
            getattr(rig, controller).reconcile(key)
        rig.authority.before_answer = lambda _: None
        getattr(rig, controller).reconcile(key)

        assert len(rig.orders) == 2
        assert len(rig.authority.issued) == 1

    def test_request_that_changes_meanwhile_is_not_written_over(
        self, rig: Rig, controller: str, key: Key, ask: Callable[[Rig], None]
    ):
        ask(rig)
        (path,) = (one for one in (CSR, BETA, REQUEST) if one in rig.fake.objects)
        rig.authority.before_answer = lambda _: rig.fake.put(path, **body(rig.fake.objects[path]))
        with pytest.raises(Conflict):
            getattr(rig, controller).reconcile(key)

        assert "Issued" not in rig.events.reasons

    def test_request_that_is_deleted_meanwhile_is_done_with(
        self, rig: Rig, controller: str, key: Key, ask: Callable[[Rig], None]
    ):
        ask(rig)
        (path,) = (one for one in (CSR, BETA, REQUEST) if one in rig.fake.objects)
        rig.authority.before_answer = lambda _: rig.fake.remove(path)
        first = getattr(rig, controller).reconcile(key)
        second = getattr(rig, controller).reconcile(key)

        assert (first, second, rig.events.reasons) == (None, None, [])

    def test_request_that_is_made_anew_meanwhile_does_not_get_the_others_certificate(
        self, rig: Rig, controller: str, key: Key, ask: Callable[[Rig], None]
    ):
        ask(rig)
        (path,) = (one for one in (CSR, BETA, REQUEST) if one in rig.fake.objects)

        def replaced(_: Any) -> None:
            document = rig.fake.objects[path]
            rig.fake.remove(path)
            anew = {**document, "metadata": {"name": document["metadata"]["name"]}}
            rig.fake.put(path, **body(anew))

        rig.authority.before_answer = replaced
        with pytest.raises(Conflict):
            getattr(rig, controller).reconcile(key)

    def test_what_is_watched_is_told_while_there_is_something_to_do(
        self, rig: Rig, controller: str, key: Key, ask: Callable[[Rig], None]
    ):
        ask(rig)
        (path,) = (one for one in (CSR, BETA, REQUEST) if one in rig.fake.objects)
        watch = getattr(rig, controller).watches()[-1]
        before = _kept(watch, rig.fake.objects[path])
        getattr(rig, controller).reconcile(key)
        after = _kept(watch, rig.fake.objects[path])

        assert list(watch.keys(before)) == [key]
        assert list(watch.keys(after)) == []
        assert "spec" not in before


def test_approval_and_denial_at_the_same_time_end_in_a_failure(rig: Rig):
    rig.ask("chancery.dev/client", node_user())

    def approve_first(handler: Any) -> None:
        document = rig.fake.objects[CSR]
        status = {"conditions": [{"type": "Approved", "status": "True", "reason": "ByHand"}]}
        rig.put(CSR, {**document, "status": status})
        handler.honest(rig.fake)

    rig.fake.faults.append(Fault(fits=lambda asked: asked.path.endswith("/approval"), act=approve_first))
    with pytest.raises(Conflict):
        rig.signing.reconcile(SIGNING)
    rig.signing.reconcile(SIGNING)

    assert rig.conditions(CSR) == {"Approved": "ByHand", "Failed": "NodeNotPermitted"}
    assert rig.orders == []


def test_cluster_that_is_away_changes_nothing(rig: Rig):
    rig.ask(conditions=["Approved"])
    rig.fake.faults.append(
        Fault(fits=lambda asked: asked.method == "PUT", act=lambda handler: handler.refuse(503, "", "etcd is away"))
    )
    with pytest.raises(ClusterUnreachable):
        rig.signing.reconcile(SIGNING)
    rig.signing.reconcile(SIGNING)

    assert (len(rig.authority.issued), rig.events.reasons) == (1, ["Issued"])


def test_status_that_the_api_server_refuses_is_told(rig: Rig):
    rig.ask_for_pod()
    rig.fake.faults.append(
        Fault(fits=lambda asked: asked.method == "PUT", act=lambda handler: handler.refuse(422, "Invalid", "notBefore"))
    )
    with pytest.raises(Refused):
        rig.pods.reconcile(POD_REQUEST)

    assert rig.events.reasons == ["StatusRefused"]


@pytest.mark.parametrize("user", [account_user("sh op", "ca/rt"), account_user("..", "cart")])
def test_names_of_users_that_no_path_can_hold_are_nobodys(rig: Rig, user: dict[str, Any]):
    rig.ask("chancery.dev/serving", user)
    rig.signing.reconcile(SIGNING)

    assert "Approved" not in rig.conditions(CSR)


def test_names_that_no_path_can_hold_are_nobodys(rig: Rig):
    assert rig.signing.reconcile(Key(name="a b?c#d")) is None
    assert rig.pods.reconcile(Key(kind="v1beta1", namespace="shop", name="../../x")) is None


def test_pod_request_is_answered(rig: Rig):
    rig.ask_for_pod()
    rig.pods.reconcile(POD_REQUEST)

    assert rig.conditions(BETA) == {"Issued": "Issued"}
    assert rig.status(BETA)["certificateChain"].count("BEGIN CERTIFICATE") == 2
    assert rig.authority.orders[0].pod.uid == rig.pod["metadata"]["uid"]


def test_pod_request_for_a_pod_that_is_gone_is_denied(rig: Rig):
    rig.ask_for_pod()
    rig.fake.remove(f"{SHOP}/pods/cart-1")
    rig.pods.reconcile(POD_REQUEST)

    assert rig.conditions(BETA) == {"Denied": "PodMismatch"}


@pytest.mark.parametrize("missing", [POLICY, BINDING])
def test_no_pod_request_is_signed_without_the_admission_policy(rig: Rig, missing: str):
    rig.ask_for_pod()
    rig.fake.remove(missing)
    again = rig.pods.reconcile(POD_REQUEST)
    silent = (rig.conditions(BETA), rig.orders, rig.events.reasons)
    rig.apply_policy()
    rig.pods.reconcile(POD_REQUEST)

    assert again
    assert silent == ({}, [], ["AdmissionPolicyMissing"])
    assert rig.conditions(BETA) == {"Issued": "Issued"}


@pytest.mark.parametrize("missing", [POLICY, BINDING])
def test_admission_policy_that_has_just_gone_is_missed_at_the_next_request(rig: Rig, missing: str):
    rig.ask_for_pod()
    rig.pods.reconcile(POD_REQUEST)
    rig.ask_for_pod()
    rig.fake.remove(missing)
    rig.time.pass_by(3)
    rig.pods.reconcile(POD_REQUEST)

    assert len(rig.orders) == 1
    assert (rig.conditions(BETA), rig.events.reasons[-1]) == ({}, "AdmissionPolicyMissing")


@pytest.mark.parametrize("at", ["2026-11-21T11:59:55Z", "2026-11-21T11:59:50Z", "2026-11-21T11:59:45Z"])
def test_pod_request_of_before_the_admission_policy_proves_nothing_after_it(rig: Rig, at: str):
    """Made at 11:59:50, by whoever could."""
    rig.ask_for_pod()
    rig.apply_policy(at)
    rig.pods.reconcile(POD_REQUEST)
    rig.pods.reconcile(POD_REQUEST)

    assert (rig.conditions(BETA), rig.orders) == ({}, [])
    assert rig.events.reasons == ["MadeBeforeAdmissionPolicy"]


@pytest.mark.parametrize("which", [POLICY, BINDING])
def test_pod_request_of_before_the_admission_policy_was_put_right_proves_nothing(rig: Rig, which: str):
    rig.ask_for_pod()
    metadata = rig.fake.objects[which]["metadata"]
    metadata["managedFields"] = [
        {"manager": "helm", "time": "2026-11-21T11:59:52Z"},
        {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-11-21T11:59:58Z"},
    ]
    rig.pods.reconcile(POD_REQUEST)
    signed_early = rig.orders
    metadata["managedFields"][0]["time"] = "2026-11-20T08:00:00Z"
    rig.time.pass_by(61)
    rig.pods.reconcile(POD_REQUEST)

    assert signed_early == []
    assert rig.conditions(BETA) == {"Issued": "Issued"}


def test_beta_request_is_left_to_v1_where_that_is_served(rig: Rig):
    rig.ask_for_pod()
    v1 = rig.pods.watches()[0]
    rig.collections.of(POD_REQUESTS, projection=v1.projection).fill([])
    rig.pods.reconcile(POD_REQUEST)

    assert rig.conditions(BETA) == {}


def test_v1_request_is_answered_as_the_beta_is(rig: Rig):
    rig.fake.kinds["certificates.k8s.io/v1/podcertificaterequests"] = "PodCertificateRequest"
    rig.ask_for_pod()
    path = BETA.replace("v1beta1", "v1")
    rig.put(path, rig.fake.objects[BETA])
    watch = rig.pods.watches()[0]
    keys = list(watch.keys(_kept(watch, rig.fake.objects[path])))
    rig.pods.reconcile(keys[0])

    assert keys == [Key(kind="v1", namespace="shop", name="req-1")]
    assert rig.conditions(path) == {"Issued": "Issued"}
    assert rig.conditions(BETA) == {}


def test_certificate_of_an_attempt_that_is_too_old_is_replaced(rig: Rig):
    rig.ask_for_pod()
    rig.authority.before_answer = _dies_once(rig)
    with pytest.raises(KeyboardInterrupt):
        rig.pods.reconcile(POD_REQUEST)
    rig.time.pass_by(300)
    rig.pods.reconcile(POD_REQUEST)
    uid = rig.fake.objects[BETA]["metadata"]["uid"]

    assert rig.orders == [f"pcr-{uid}", f"pcr-{uid}", f"pcr-{uid}.2"]
    assert rig.conditions(BETA) == {"Issued": "Issued"}


def test_authority_whose_clock_differs_does_not_sign_without_end(rig: Rig):
    rig.ask_for_pod()
    rig.authority.skew = timedelta(hours=1)
    for _ in range(3):
        with pytest.raises(AnswerUnfit):
            rig.pods.reconcile(POD_REQUEST)

    assert len(rig.authority.issued) == ATTEMPTS
    assert rig.events.reasons == ["ClocksDiffer"]


def test_cert_manager_gets_chain_and_root(rig: Rig):
    rig.ask_as_cert_manager()
    rig.requests.reconcile(ISSUING)

    assert rig.conditions(REQUEST) == {"Approved": "Test", "Ready": "Issued"}
    assert rig.status(REQUEST)["certificate"]
    assert rig.status(REQUEST)["ca"]


def test_cert_manager_is_told_of_a_denial_and_of_an_invalid_request(rig: Rig):
    rig.ask_as_cert_manager(conditions=["Denied"])
    rig.requests.reconcile(ISSUING)
    denied = rig.conditions(REQUEST)
    rig.fake.remove(REQUEST)
    rig.ask_as_cert_manager(isCA=True)
    rig.requests.reconcile(ISSUING)

    assert denied == {"Denied": "Test", "Ready": "Denied"}
    assert rig.conditions(REQUEST)["Ready"] == "Failed"
    assert rig.conditions(REQUEST)["InvalidRequest"] == "CertificateAuthorityRequested"
    assert rig.status(REQUEST)["failureTime"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize(
    ("created", "seconds"),
    [("2026-11-21T11:59:00Z", 30), ("2026-11-21T11:44:00Z", 120), ("2026-11-01T00:00:00Z", 300), ("soon", 30)],
)
def test_request_that_waits_is_looked_at_the_later_the_older_it_is(rig: Rig, created: str, seconds: int):
    """Thousands for Services that nobody ever makes leave time for those of others."""
    rig.ask_as_cert_manager()
    rig.fake.objects[REQUEST]["metadata"]["creationTimestamp"] = created
    rig.fake.remove(f"{SHOP}/services/cart")

    assert rig.requests.reconcile(ISSUING) == timedelta(seconds=seconds)


def test_request_for_a_service_that_is_never_made_is_looked_at_ever_more_seldom(rig: Rig):
    rig.ask("chancery.dev/serving")
    rig.fake.remove(f"{SHOP}/services/cart")
    soon = rig.signing.reconcile(SIGNING)
    rig.time.pass_by(3600)

    assert soon == timedelta(seconds=15)
    assert rig.signing.reconcile(SIGNING) == timedelta(seconds=300)


def test_of_the_pods_of_an_account_no_more_is_kept_than_is_needed(rig: Rig):
    """Whoever makes pods can make them huge, and the signers read those of many at once."""
    for number in range(150):
        huge = {**pod(f"cart-{number}"), "spec": {"serviceAccountName": "cart", "containers": [{"image": "x" * 1000}]}}
        rig.fake.put(f"{SHOP}/pods/cart-{number}", **body(huge))

    found = Lookups(rig.cluster).pods_of("shop", "cart")

    assert len(found) == 150
    assert not any("containers" in one["spec"] for one in found)


def test_full_passes_over_requests_of_anybody_come_no_sooner(rig: Rig):
    watches = [*rig.signing.watches(), *rig.requests.watches(), *rig.issuers.watches()]

    assert {watch.full_pass for watch in watches} == {timedelta(minutes=5)}


def test_identity_by_cert_manager_is_its_pods(rig: Rig):
    rig.put(ISSUER, issuer())
    usages = ["client auth", "server auth"]
    rig.put(REQUEST, issuer_request(csr(uris=[OWN_ID]), user=account_user(pod=rig.pod), usages=usages))
    rig.requests.reconcile(ISSUING)

    assert rig.conditions(REQUEST)["Ready"] == "Issued"
    assert [order.pod.uid for order in rig.authority.orders] == [rig.pod["metadata"]["uid"]]


def test_issuer_that_comes_later_is_used(rig: Rig):
    rig.ask_as_cert_manager()
    rig.fake.remove(ISSUER)
    again = rig.requests.reconcile(ISSUING)
    pending = rig.conditions(REQUEST)
    rig.put(ISSUER, issuer())
    rig.requests.reconcile(ISSUING)

    assert again
    assert pending == {"Approved": "Test", "Ready": "Pending"}
    assert rig.conditions(REQUEST)["Ready"] == "Issued"


def test_issuer_is_ready_while_the_authority_answers(rig: Rig):
    rig.put(ISSUER, issuer(ready="Unknown"))
    rig.authority.faults.append(ServerUnreachable("nobody answers"))
    key = Key(kind="Issuer", namespace="shop", name="internal")
    again = rig.issuers.reconcile(key)
    unreachable = rig.conditions(ISSUER)
    rig.issuers.reconcile(key)
    version = rig.fake.version
    rig.issuers.reconcile(key)

    assert again
    assert (unreachable, rig.conditions(ISSUER)) == ({"Ready": "AuthorityUnreachable"}, {"Ready": "Ready"})
    assert rig.fake.version == version


def _kept(watch: Any, document: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: document["metadata"].get(name) for name in ("name", "namespace", "uid")}
    return {**watch.projection(document), "metadata": metadata}


def _dies_once(rig: Rig) -> Callable[[Any], None]:
    def die(_: Any) -> None:
        rig.authority.before_answer = lambda _: None
        raise KeyboardInterrupt

    return die
