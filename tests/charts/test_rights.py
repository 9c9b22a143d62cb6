"""What the servers may do in the cluster, rule by rule, and who reaches them over the network."""

from tests.charts.test_rendering import each_scenario
from tests.servers.helm.commands import documents

READ_VERBS = {"get", "list", "watch"}


def roles(rendered):
    """(kind, name): the rules."""
    return {
        (each["kind"], each["metadata"]["name"]): [
            (rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames")) for rule in each["rules"]
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
        ([""], ["secrets"], ["get", "update"], ["chancery-ca-passphrase", "chancery-ca-roots"]),
    ]


def test_authority_reads_no_passphrase_that_is_mounted(helm, chart):
    found = roles(helm.render(chart, values={"ca": {"passphrase": {"existingSecret": "mine"}}}))

    assert found["Role", "chancery-ca"][1][3] == ["chancery-ca-roots"]


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
    spec = policies(helm.render(chart, values=values))["chancery-apiserver"]

    assert spec["ingress"] == [
        {
            "ports": [{"port": 8443, "protocol": "TCP"}],
            "from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}, {"ipBlock": {"cidr": "fd00::/8"}}, peer],
        }
    ]
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
