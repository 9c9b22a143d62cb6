"""What the servers may do in the cluster, rule by rule, and who reaches them over the network."""

import re
from pathlib import Path

import yaml

from kube.signers.manifests import RBAC, read_manifests
from tests.charts.test_rendering import each_scenario
from tests.servers.helm.commands import documents

ROOT = Path(__file__).parents[2]
READ_VERBS = {"get", "list", "watch"}


def roles(rendered):
    """(kind, name): the rules."""
    return {
        (each["kind"], each["metadata"]["name"]): [
            (rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames"))
            for rule in each.get("rules", [])
        ]
        for each in documents(rendered)
        if each["kind"] in {"Role", "ClusterRole"}
    }


def bindings(rendered):
    return {
        (each["metadata"].get("namespace"), each["roleRef"]["name"], each["subjects"][0]["name"])
        for each in documents(rendered)
        if each["kind"] in {"RoleBinding", "ClusterRoleBinding"}
    }


def test_authority_asks_about_tokens_and_keeps_two_secrets(helm, chart):
    found = roles(helm.render(chart))

    assert found["ClusterRole", "chancery:chancery-ca"] == [
        (["authentication.k8s.io"], ["tokenreviews"], ["create"], None)
    ]
    assert found["Role", "chancery-ca"] == [
        ([""], ["secrets"], ["create"], None),
        ([""], ["secrets"], ["get", "update"], ["chancery-ca-roots"]),
        ([""], ["secrets"], ["get"], ["chancery-ca-passphrase"]),
        ([""], ["events"], ["create"], None),
    ]


def test_one_release_of_a_cluster_has_what_writes_over_others(helm, chart):
    """Helm refuses to make an object that another release has."""
    second = {
        "controller": {"settings": {"signing": False, "injection": False, "trust": False}},
        "injector": {"enabled": False},
        "apiserver": {"apiServices": []},
    }
    of_first, of_second = (
        {
            (each["kind"], each["metadata"]["name"])
            for each in documents(helm.render(chart, release=release, namespace=release, values=values))
            if "namespace" not in each["metadata"]
        }
        for release, values in (("first", {}), ("second", second))
    )

    for settings in ({"injection": False, "signing": False}, {"trust": False, "signing": False}):
        values = {
            "controller": {"settings": settings},
            "injector": {"enabled": False},
            "apiserver": {"apiServices": []},
        }
        rendered = roles(helm.render(chart, release="second", values=values))
        assert rendered["ClusterRole", "chancery.dev:registrar"] == []
    assert ("ClusterRole", "chancery.dev:registrar") in of_first
    assert of_first & of_second == set()


def test_authority_reads_no_passphrase_that_is_mounted(helm, chart):
    found = roles(helm.render(chart, values={"ca": {"passphrase": {"existingSecret": "mine"}}}))

    assert [names for *_, names in found["Role", "chancery-ca"]] == [None, ["chancery-ca-roots"], None]


def test_authority_reads_pods_where_it_was_told_to(helm, chart):
    found = roles(helm.render(chart, values={"ca": {"enrollment": {"podCheck": True}}}))

    assert ([""], ["pods"], ["get"], None) in found["ClusterRole", "chancery:chancery-ca"]


def test_api_server_may_what_every_extension_server_may(helm, chart):
    rendered = helm.render(chart)

    assert roles(rendered)["ClusterRole", "chancery:chancery-apiserver"] == [
        ([""], ["namespaces"], ["get", "list", "watch"], None)
    ]
    assert {each for each in bindings(rendered) if each[2] == "chancery-apiserver"} == {
        (None, "chancery:chancery-apiserver", "chancery-apiserver"),
        (None, "system:auth-delegator", "chancery-apiserver"),
        ("kube-system", "extension-apiserver-authentication-reader", "chancery-apiserver"),
    }


def test_roles_of_the_cluster_reach_the_groups_that_are_registered(helm, chart):
    values = {
        "apiserver": {"apiServices": [{"group": "b.example", "version": "v1"}, {"group": "a.example", "version": "v1"}]}
    }
    found = roles(helm.render(chart, values=values))

    assert found["ClusterRole", "chancery:chancery-apiserver-view"] == [
        (["a.example", "b.example"], ["*"], ["get", "list", "watch"], None)
    ]
    assert not READ_VERBS & set(found["ClusterRole", "chancery:chancery-apiserver-edit"][0][2])


@each_scenario
def test_no_rule_is_for_every_group_or_every_secret(helm, chart, scenario):
    for (kind, _), rules in roles(helm.render(chart, files=[scenario])).items():
        for groups, resources, verbs, _names in rules:
            assert "*" not in groups
            assert "*" not in verbs
            assert kind == "Role" or "secrets" not in resources


def policies(rendered):
    return {each["metadata"]["name"]: each["spec"] for each in documents(rendered) if each["kind"] == "NetworkPolicy"}


def test_networks_of_api_servers_and_peers_alone_are_let_in(helm, chart):
    peer = {"namespaceSelector": {"matchLabels": {"a": "b"}}}
    values = {"networkPolicy": {"apiServerCIDRs": ["10.0.0.0/24", "fd00::/8"], "additionalPeers": [peer]}}
    rendered = documents(helm.render(chart, values=values, tests=True))
    spec = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "NetworkPolicy"}[
        "chancery-apiserver"
    ]
    (rule,) = spec["ingress"]
    *others, tested = rule["from"]
    (doctor,) = [each for each in rendered if each["kind"] == "Pod"]

    assert rule["ports"] == [{"port": 8443, "protocol": "TCP"}]
    assert others == [{"ipBlock": {"cidr": "10.0.0.0/24"}}, {"ipBlock": {"cidr": "fd00::/8"}}, peer]
    assert tested["podSelector"]["matchLabels"].items() <= doctor["metadata"]["labels"].items()
    assert spec["policyTypes"] == ["Ingress"]


def test_what_goes_out_is_held_where_it_was_asked_for(helm, chart):
    values = {
        "networkPolicy": {"createEgressRules": True, "databaseCIDRs": ["10.1.0.0/16"], "apiServerPorts": [16443]},
        "ca": {"database": {"existingSecret": "database"}},
    }
    found = policies(helm.render(chart, values=values))
    authority = found["chancery-ca"]["egress"]
    ports = [[port["port"] for port in rule["ports"]] for rule in authority]

    assert found["chancery-ca"]["policyTypes"] == ["Ingress", "Egress"]
    assert ports == [[53, 53], [16443], [5432]]
    assert authority[2]["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]
    assert [8111, 8112, 8113] in [
        [port["port"] for port in rule["ports"]] for rule in found["chancery-apiserver"]["egress"]
    ]


# Users of kubectl chancery

NAME = "chancery-administrators"


def role_objects(helm, chart, **role):
    rendered = documents(helm.render(chart, namespace="pki", values={"kubectlPlugin": {"role": role}}))
    return {each["kind"]: each for each in rendered if each["metadata"]["name"] == NAME}


def test_users_of_the_plugin_may_what_its_page_says(helm, chart):
    page = (ROOT / "docs" / "kubectl.md").read_text()
    (said,) = [
        yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "pods/exec" in text
    ]
    found = role_objects(helm, chart, create=True)

    assert found.keys() == {"Role"}
    assert found["Role"]["rules"] == said["rules"]
    assert found["Role"]["metadata"]["namespace"] == "pki"


def test_nobody_is_given_the_authority_unasked(helm, chart):
    assert role_objects(helm, chart) == {}
    assert "pods/exec" not in helm.render(chart)


def test_subjects_are_bound(helm, chart):
    subjects = [
        {"kind": "Group", "name": "platform:admins"},
        {"kind": "User", "name": "2026"},
        {"kind": "ServiceAccount", "name": "deployer"},
        {"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"},
    ]
    binding = role_objects(helm, chart, create=True, subjects=subjects)["RoleBinding"]
    group = "rbac.authorization.k8s.io"

    assert binding["roleRef"] == {"apiGroup": group, "kind": "Role", "name": NAME}
    assert binding["subjects"] == [
        {"kind": "Group", "name": "platform:admins", "apiGroup": group},
        {"kind": "User", "name": "2026", "apiGroup": group},
        {"kind": "ServiceAccount", "name": "deployer", "namespace": "pki"},
        {"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"},
    ]


# The controller


def permissions(rules):
    """Each as one of: group, resource, verb, name or None."""
    return {
        (group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [None])
    }


def of_controller(helm, chart, **features):
    off = dict.fromkeys(("signing", "injection", "trust", "pods"), False) | features
    values = {
        "injector": {"enabled": False},
        "apiserver": {"enabled": False},
        "controller": {"settings": {name: value for name, value in off.items() if value is not True}},
    }
    rendered = documents(helm.render(chart, values=values))
    (role,) = [
        each
        for each in rendered
        if each["kind"] == "ClusterRole" and each["metadata"]["name"].endswith(":chancery-controller")
    ]
    return permissions(role["rules"])


EVENTS = {("", "events", "create", None), ("", "events", "patch", None)}


def test_signers_have_the_rights_that_their_manifest_lists(helm, chart):
    (manifest,) = read_manifests(RBAC)

    assert of_controller(helm, chart, signing=True) == permissions(manifest["rules"]) | EVENTS


def test_a_controller_of_pods_reads_four_kinds(helm, chart):
    kinds = ("namespaces", "pods", "services", "serviceaccounts")

    assert of_controller(helm, chart, pods=True) == EVENTS | {
        ("", kind, verb, None) for kind in kinds for verb in ("list", "watch")
    }


def test_injection_and_trust_write_what_they_are_for(helm, chart):
    writing = {
        each for each in of_controller(helm, chart, injection=True, trust=True) - EVENTS if each[2] not in READ_VERBS
    }

    assert {(resource, verb, name) for _, resource, verb, name in writing} == {
        ("validatingwebhookconfigurations", "patch", None),
        ("mutatingwebhookconfigurations", "patch", None),
        ("apiservices", "patch", None),
        ("customresourcedefinitions", "patch", None),
        ("configmaps", "patch", "chancery-roots"),
        ("configmaps", "delete", "chancery-roots"),
        ("configmaps", "create", None),
        ("clustertrustbundles", "create", None),
        ("clustertrustbundles", "patch", None),
        ("clustertrustbundles", "delete", None),
        ("signers", "attest", "chancery.dev/workload"),
    }


def test_listed_namespaces_take_the_place_of_a_right_in_all(helm, chart):
    listed = {"settings": {"trust_by_label": False, "trust_namespaces": ["shop", "42"]}}
    rendered = documents(helm.render(chart, values={"controller": listed}))
    creating = {
        (each["kind"], each["metadata"].get("namespace"))
        for each in rendered
        if each["kind"] in {"Role", "ClusterRole"}
        and ("", "configmaps", "create", None) in permissions(each.get("rules", []))
    }

    assert creating == {("Role", "shop"), ("Role", "42")}


def test_injector_reads_nodes_and_its_own_configurations(helm, chart):
    found = roles(helm.render(chart))

    assert found["Role", "chancery-injector"] == [([""], ["podtemplates"], ["create"], None)]
    assert found["ClusterRole", "chancery:chancery-injector"] == [
        ([""], ["nodes"], ["list"], None),
        (
            ["admissionregistration.k8s.io"],
            ["mutatingwebhookconfigurations"],
            ["get"],
            ["chancery-injector-pods", "chancery-injector-namespaces"],
        ),
    ]


def test_cert_manager_may_approve_where_it_was_asked_for(helm, chart):
    name = "chancery:chancery-controller-cert-manager"
    values = {"controller": {"certManager": {"approve": True, "namespace": "pki"}}}

    assert ("ClusterRole", name) not in roles(helm.render(chart))
    assert roles(helm.render(chart, values=values))["ClusterRole", name] == [
        (["cert-manager.io"], ["signers"], ["approve"], ["issuers.chancery.dev/*", "clusterissuers.chancery.dev/*"])
    ]
