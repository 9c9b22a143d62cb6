"""Broken states made for real, and found: what the API server itself says of them is what the doctor has to understand."""

import pytest

from kube.diagnosis.findings import Cause, Severity
from tests.kube.ambient import real_clock
from tests.kube.diagnosis.conftest import ADMISSION, encoded, https_server
from tests.kube.diagnosis.made import DAY
from tests.kube.injection.webhook_server import webhook_server
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.ports import free_port

pytestmark = KUBERNETES


def causes(findings):
    return {one.cause for one in findings if one.severity in {Severity.PROBLEM, Severity.WARNING}}


def good_life():
    now = real_clock()
    return {"begins": now - DAY / 24, "ends": now + DAY}


def test_healthy_product_has_no_problem(product):
    product.install()
    product.service()
    context = product.serving_context(**good_life())
    with webhook_server(lambda: context) as (port, asked):
        name = product.webhook(port=port)
        found = product.examine()

    assert asked, "the API server asked the webhook about the dry run"
    (finding,) = found[f"ValidatingWebhookConfiguration/{name}"]
    assert finding.severity is Severity.OK
    assert "by CN=root" in finding.summary
    for target in ("clock of the API server", "StatefulSet/shop-ca", "Secret/roots"):
        assert [one.severity for one in found[target]] == [Severity.OK]
    assert product.cluster.admin.get(f"/api/v1/namespaces/{product.namespace}/configmaps/chancery-doctor").status == 404


def test_garbage_and_empty_bundles_are_found(product):
    product.install()
    product.service("garbled")
    product.service("empty")
    garbled = product.webhook(service="garbled", port=free_port(), ca_bundle=encoded(b"garbage"))
    empty = product.webhook(service="empty", port=free_port(), ca_bundle="")
    found = product.examine(tries=False)

    assert Cause.CA_BUNDLE_GARBAGE in causes(found[f"ValidatingWebhookConfiguration/{garbled}"])
    assert Cause.CA_BUNDLE_EMPTY in causes(found[f"ValidatingWebhookConfiguration/{empty}"])


def test_webhook_and_api_service_without_ready_pods_are_found(product):
    product.install()
    product.service(external=False)
    product.service("things", external=False)
    webhook = product.webhook()
    api_service = product.api_service()
    found = product.examine()

    assert causes(found[f"ValidatingWebhookConfiguration/{webhook}"]) == {Cause.ENDPOINTS_MISSING}
    assert causes(found[f"APIService/{api_service}"]) == {Cause.ENDPOINTS_MISSING}


def test_service_that_is_not_there_is_found(product):
    product.install()
    api_service = product.api_service()
    found = product.examine()

    assert causes(found[f"APIService/{api_service}"]) == {Cause.SERVICE_MISSING}


def test_port_that_does_not_answer_the_api_server_names_firewall_and_values(product, silent_port):
    product.install()
    product.service()
    name = product.webhook(port=silent_port)
    findings = product.examine()[f"ValidatingWebhookConfiguration/{name}"]

    assert causes(findings) == {Cause.PORT_UNREACHABLE}
    (finding,) = [one for one in findings if one.cause]
    assert "the API server does not get through: failed calling webhook" in finding.summary
    assert "injector.hostNetwork=true" in finding.hint


def test_api_service_whose_port_is_closed_is_found_by_its_condition(product):
    product.install()
    product.service("things")
    name = product.api_service(port=free_port())
    findings = product.examine()[f"APIService/{name}"]

    assert causes(findings) == {Cause.PORT_UNREACHABLE}
    assert "FailedDiscoveryCheck" in findings[0].summary


def test_expired_serving_certificate_is_seen_from_here_and_by_the_api_server(product):
    product.install()
    product.service()
    now = real_clock()
    context = product.serving_context(begins=now - DAY, ends=now - DAY / 24)
    with webhook_server(lambda: context) as (port, _):
        name = product.webhook(port=port)
        findings = product.examine()[f"ValidatingWebhookConfiguration/{name}"]

    assert causes(findings) == {Cause.CERTIFICATE_EXPIRED}
    assert any("certificate has expired or is not yet valid" in one.summary for one in findings)


def test_server_of_another_authority_is_seen_from_here_and_by_the_api_server(product):
    product.install()
    product.service()
    context = product.serving_context(**good_life())
    with webhook_server(lambda: context) as (port, _):
        stranger = type(product.root)(name="stranger", begins=product.root.begins, ends=product.root.ends)
        name = product.webhook(port=port, ca_bundle=stranger.base64)
        findings = product.examine()[f"ValidatingWebhookConfiguration/{name}"]

    assert causes(findings) == {Cause.CA_BUNDLE_FOREIGN}
    assert any("signed by unknown authority" in one.summary for one in findings)


@pytest.mark.parametrize("injects", ["true", "false"])
def test_roots_of_another_release_are_wrong_only_where_this_one_writes_them(product, injects):
    product.install()
    product.install_controller(injection=injects, trust="false")
    product.service()
    other = type(product.root)(name="other", begins=product.root.begins, ends=product.root.ends)
    name = product.webhook(port=free_port(), ca_bundle=other.base64)
    found = causes(product.examine(tries=False)[f"ValidatingWebhookConfiguration/{name}"])

    assert (Cause.CA_BUNDLE_FOREIGN in found) == (injects == "true")


def test_release_that_was_interrupted_is_found_by_labels_alone(product):
    product.install()
    labels = {"owner": "helm", "name": "shop", "version": "1", "status": "pending-install"}
    product.here(
        "secrets",
        {"metadata": {"name": "sh.helm.release.v1.shop.v1", "labels": labels}, "type": "helm.sh/release.v1"},
    )
    (finding,) = product.examine()["release shop"]

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, Cause.RELEASE_PENDING)


@pytest.mark.parametrize(("makes", "cause"), [(False, Cause.VOLUME_MISSING), (True, Cause.VOLUME_PENDING)])
def test_volume_that_is_missing_or_pending_is_found(product, makes, cause):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    product.install(volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": spec}])
    if makes:
        product.here("persistentvolumeclaims", {"metadata": {"name": "data-shop-ca-0"}, "spec": spec})

    assert causes(product.examine()["StatefulSet/shop-ca"]) == {cause}


def test_change_that_nobody_took_up_is_found(product):
    product.install()
    product.set_status("statefulsets", "shop-ca", {"observedGeneration": 0})

    assert causes(product.examine()["StatefulSet/shop-ca"]) == {Cause.ROLLOUT_UNFINISHED}


def test_roots_that_are_not_published_are_found(product):
    product.install()
    product.cluster.admin.delete(f"/api/v1/namespaces/{product.namespace}/secrets/roots")

    assert causes(product.examine()["Secret/roots"]) == {Cause.ROOTS_SECRET_MISSING}


def test_secret_of_the_passphrase_that_somebody_deleted_is_missed_while_the_authority_runs(product):
    variable = {"name": "CHANCERY_KUBERNETES_PASSPHRASE_SECRET", "value": "passphrase"}
    product.install(
        template={
            "metadata": {"labels": {"app.kubernetes.io/component": "ca"}},
            "spec": {"containers": [{"name": "ca", "image": "chancery", "env": [variable]}]},
        }
    )
    before = product.examine()
    product.here("secrets", {"metadata": {"name": "passphrase"}})

    assert causes(before["Secret/passphrase"]) == {Cause.SECRET_MISSING}
    assert "Secret/passphrase" not in product.examine()


def test_namespace_without_a_product_is_told(product):
    assert causes(product.examine()["authority"]) == {Cause.NOT_INSTALLED}


def test_account_without_its_rights_is_found(product):
    product.install()
    (finding,) = product.examine()[f"ServiceAccount/{product.namespace}/default"]

    assert finding.cause is Cause.RIGHTS_MISSING
    assert "create tokenreviews.authentication.k8s.io" in finding.summary
    assert "update secrets roots" in finding.summary


def test_user_without_rights_is_told_which_and_sees_no_problem_that_is_none(product):
    product.install()
    found = product.examine(product.cluster.kubeconfig_for_user("nobody"))

    assert causes(found["your rights"]) == {Cause.RIGHTS_MISSING}
    assert "list apiservices.apiregistration.k8s.io" in found["your rights"][0].summary
    assert {one.severity for target, all_of in found.items() if target != "your rights" for one in all_of} <= {
        Severity.OK,
        Severity.SKIPPED,
    }


def test_namespaces_that_opted_in_and_have_no_roots_are_named(product):
    product.install()
    product.install_controller()
    other = f"{product.namespace}-in"
    product.create("/api/v1/namespaces", {"metadata": {"name": other, "labels": {"chancery.dev/inject": "true"}}})
    findings = product.examine()["ConfigMap/chancery-roots"]

    assert any(other in one.summary and one.cause is Cause.ROOTS_NOT_DISTRIBUTED for one in findings)


def test_lease_is_found_by_what_the_controller_was_told(product):
    product.install()
    product.install_controller(lease_name="mine", trust="false")
    before = product.examine()
    spec = {"holderIdentity": "one", "leaseDurationSeconds": 15, "renewTime": f"{real_clock():%Y-%m-%dT%H:%M:%S.%fZ}"}
    product.here("leases", {"metadata": {"name": "mine"}, "spec": spec}, group="/apis/coordination.k8s.io/v1")
    after = product.examine()

    assert causes(before["Lease/mine"]) == {Cause.LEADER_MISSING}
    assert causes(after["Lease/mine"]) == set()
    assert "ConfigMap/chancery-roots" not in before


def test_authority_is_dialled_and_its_metrics_read(product):
    product.install()
    context = product.serving_context(**good_life())
    soon = real_clock() + 20 * DAY
    exposition = (
        f'chancery_ca_expiry_timestamp_seconds{{id="1",kind="root"}} {soon.timestamp()}\n'
        'chancery_ca_rotation_phase{kind="root",phase="stable"} 1.0\n'
    )
    with https_server(context, exposition) as port:
        product.service_of_authority(port)
        found = product.examine()

    assert [one.severity for one in found["Service/hook https"]] == [Severity.OK]
    assert causes(found["authority root"]) == {Cause.CERTIFICATE_EXPIRES}
    assert [one.severity for one in found["clock of the authority"]] == [Severity.OK]
    assert found["rotation"][0].summary == "none under way"


def test_targets_of_others_are_looked_at_where_asked_for(product):
    product.install()
    product.service()
    name = f"{product.namespace}-theirs"
    client = {"service": {"namespace": product.namespace, "name": "hook"}, "caBundle": encoded(b"garbage")}
    rule = {"apiGroups": ["no.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}
    entry = {
        "name": "theirs.example.com",
        "clientConfig": client,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    product.create(ADMISSION, {"metadata": {"name": name}, "webhooks": [entry]})
    target = f"ValidatingWebhookConfiguration/{name}"

    assert target not in product.examine()
    assert Cause.CA_BUNDLE_GARBAGE in causes(product.examine(every=True)[target])


def test_events_are_read_where_something_is_wrong_and_no_status_says_what(product):
    product.install()
    named = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop-ca", "namespace": product.namespace}
    path = f"/apis/apps/v1/namespaces/{product.namespace}/statefulsets/shop-ca"
    uid = product.cluster.admin.get(path).document["metadata"]["uid"]
    said = {
        "metadata": {"name": "shop-ca.1"},
        "involvedObject": {**named, "uid": uid},
        "reason": "FailedCreate",
        "message": "create Pod shop-ca-0 in StatefulSet shop-ca failed error: exceeded quota: small",
        "type": "Warning",
    }
    product.here("events", said)  # as its controller says it
    well = product.examine()["StatefulSet/shop-ca"]
    product.set_status("statefulsets", "shop-ca", {"replicas": 0, "readyReplicas": 0})
    (finding,) = product.examine()["StatefulSet/shop-ca"]

    assert causes(well) == set()
    assert finding.cause is Cause.ROLLOUT_UNFINISHED
    assert "exceeded quota: small" in finding.summary
