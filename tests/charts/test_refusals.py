"""Values that are wrong end the render, with a sentence that says which and what to do."""

import pytest

from tests.servers.helm.commands import documents

CASES = {
    "unknown key": ({"replicas": 3}, ["replicas", "not allowed"]),
    "unknown key of a component": ({"ca": {"replicaCout": 3}}, ["replicaCout", "not allowed"]),
    "unknown setting": ({"ca": {"settings": {"rotation_overlapp": "1h"}}}, ["rotation_overlapp", "not allowed"]),
    "setting that is the chart's": ({"ca": {"settings": {"mtls": False}}}, ["mtls", "not allowed"]),
    "another server's setting": ({"apiserver": {"settings": {"crl_shards": 4}}}, ["crl_shards", "not allowed"]),
    "setting that is none of a few": (
        {"injector": {"settings": {"mode": "side-car"}}},
        ["/injector/settings/mode", "'auto', 'podCertificate', 'sidecar', 'init'"],
    ),
    "setting of the wrong type": ({"ca": {"settings": {"crl_shards": "many"}}}, ["crl_shards", "integer"]),
    "duration": ({"ca": {"settings": {"rotation_overlap": "an hour"}}}, ["rotation_overlap", "an hour"]),
    "list with a comma": ({"ca": {"settings": {"permitted_dns": ["a.example,b.example"]}}}, ["permitted_dns"]),
    "replicas as text": ({"ca": {"replicaCount": "3"}}, ["replicaCount", "integer"]),
    "no replica": ({"ca": {"replicaCount": 0}}, ["replicaCount"]),
    "rule with an unknown key": (
        {"ca": {"policy": {"rules": [{"name": "a", "callers": [{"any": True}], "profile": "server"}]}}},
        ["rules", "profile"],
    ),
    "rule without callers": ({"ca": {"policy": {"rules": [{"name": "a"}]}}}, ["callers"]),
    "trust domain": ({"trustDomain": "Not A Domain"}, ["trustDomain"]),
    "key type of a policy": ({"apiserver": {"apiServices": [{"group": "a.b"}]}}, ["version"]),
    "CIDR with too long a prefix": (
        {"networkPolicy": {"apiServerCIDRs": ["10.0.0.0/33"]}},
        ['networkPolicy.apiServerCIDRs: "10.0.0.0/33" is no network; write an address and the length of its prefix'],
    ),
    "CIDR without a prefix": ({"networkPolicy": {"apiServerCIDRs": ["10.0.0.1"]}}, ['"10.0.0.1" is no network']),
    "CIDR with a large octet": ({"networkPolicy": {"apiServerCIDRs": ["10.0.0.256/32"]}}, ["is no network"]),
    "CIDR with two gaps": ({"networkPolicy": {"apiServerCIDRs": ["fd00::1::/64"]}}, ["is no network"]),
    "CIDR with a gap and eight parts": (
        {"networkPolicy": {"apiServerCIDRs": ["1:2:3:4::5:6:7:8/64"]}},
        ["is no network"],
    ),
    "CIDR of databases": (
        {"networkPolicy": {"createEgressRules": True, "databaseCIDRs": ["db.example.com"]}},
        ["networkPolicy.databaseCIDRs", "is no network"],
    ),
    "CIDR with a line break": ({"networkPolicy": {"apiServerCIDRs": ["10.0.0.0/8\n"]}}, ["is no network"]),
    "policy of a network that is off": (
        {"networkPolicy": {"enabled": False, "apiServerCIDRs": ["10.0.0.0/8"]}},
        ["networkPolicy: enabled is false, but the rest of it says whom to let in or out"],
    ),
    "peers beside everybody": (
        {"networkPolicy": {"additionalPeers": [{"podSelector": {}}]}},
        ["networkPolicy.additionalPeers: without apiServerCIDRs everybody is let in already"],
    ),
    "databases without egress": (
        {"networkPolicy": {"databaseCIDRs": ["10.0.0.0/8"]}},
        ["networkPolicy.databaseCIDRs: createEgressRules is false"],
    ),
    "replicas without a database": (
        {"ca": {"replicaCount": 2}},
        ["ca.replicaCount: 2 replicas need a PostgreSQL database that they share"],
    ),
    "replicas of the API server without a database": (
        {"apiserver": {"replicaCount": 3}},
        ["apiserver.replicaCount: 3 replicas need a PostgreSQL database that they share"],
    ),
    "database and claim": (
        {"ca": {"database": {"existingSecret": "a"}, "persistence": {"existingClaim": "b"}}},
        ["ca: database.existingSecret and persistence.existingClaim are both given"],
    ),
    "one database for two": (
        {"ca": {"database": {"existingSecret": "a"}}, "apiserver": {"database": {"existingSecret": "a"}}},
        ["apiserver.database: this is the authority's database"],
    ),
    "two policies": (
        {"ca": {"policy": {"rules": [{"name": "a", "callers": [{"any": True}]}], "existingConfigMap": "b"}}},
        ["ca.policy: rules and existingConfigMap are both given"],
    ),
    "volume that the chart has": (
        {"ca": {"volumes": [{"name": "data", "emptyDir": {}}]}},
        ['ca.volumes: "data" is the name of a volume that the chart has, or is given twice; take another'],
    ),
    "volume of all and of one": (
        {"volumes": [{"name": "mine", "emptyDir": {}}], "injector": {"volumes": [{"name": "mine", "emptyDir": {}}]}},
        ['injector.volumes: "mine" is the name of a volume'],
    ),
    "volume without a name": (
        {"controller": {"volumes": [{"emptyDir": {}}]}},
        ["controller.volumes: an entry has no name"],
    ),
    "registry with a scheme": ({"image": {"registry": "https://registry.example.com"}}, ["/image/registry", "https"]),
    "repository with a space": ({"image": {"repository": "chancery x"}}, ["/image/repository"]),
    "tag with a space": ({"image": {"tag": "1 0"}}, ["/image/tag"]),
    "tag of one component": ({"ca": {"image": {"tag": "a:b"}}}, ["/ca/image", "a:b"]),
    "amount of memory": ({"ca": {"resources": {"limits": {"memory": "512MB"}}}}, ["/ca/resources", "512MB"]),
    "amount below nothing": ({"ca": {"resources": {"requests": {"cpu": -1}}}}, ["/ca/resources"]),
    "more than all": (
        {"injector": {"podDisruptionBudget": {"maxUnavailable": "101%"}}},
        ["/injector/podDisruptionBudget", "101%"],
    ),
    "user that no kernel knows": ({"runAsUser": 1 << 33}, ["runAsUser", "maximum"]),
    "digest": ({"image": {"digest": "latest"}}, ['image.digest: "latest" is no digest']),
    "user where OpenShift chooses": (
        {"openshift": {"enabled": True}, "runAsUser": 1000},
        ["runAsUser: openshift.enabled leaves the user to OpenShift"],
    ),
    "root": ({"runAsUser": 0}, ["runAsUser"]),
    "probes without anonymous": (
        {"apiserver": {"settings": {"anonymous_auth": False}}},
        ["apiserver.settings.anonymous_auth: the kubelet's probes show no credentials"],
    ),
    "network of the node in a user namespace": (
        {"userNamespaces": True, "apiserver": {"hostNetwork": True}},
        ["apiserver.hostNetwork: a pod with userNamespaces has a network of its own"],
    ),
    "variable that a setting has": (
        {"ca": {"env": [{"name": "CHANCERY_LISTEN_ADDRESS", "value": "::"}]}},
        ["ca.env: CHANCERY_LISTEN_ADDRESS is set twice"],
    ),
    "webhook without a registrar": (
        {"controller": {"enabled": False}},
        ["injector.enabled: the webhook needs the controller"],
    ),
    "webhook without names": (
        {"controller": {"settings": {"pods": False}}},
        ["injector.enabled: the webhook needs the controller with its settings injection and pods"],
    ),
    "registration without a registrar": (
        {"injector": {"enabled": False}, "controller": {"enabled": False}},
        ["apiserver.apiServices: nobody writes their caBundle"],
    ),
    "one port twice": ({"injector": {"webhookPort": 8116}}, ["injector.webhookPort: 8116 is the port of its health"]),
    "port of the injector's health on its node": (
        {"injector": {"hostNetwork": True}, "apiserver": {"hostNetwork": True, "securePort": 8116}},
        ["apiserver.securePort: 8116 is the port of the injector's health"],
    ),
    "one port of the node twice": (
        {
            "injector": {"hostNetwork": True, "webhookPort": 9443},
            "apiserver": {"hostNetwork": True, "securePort": 9443},
        },
        ["injector.webhookPort: apiserver.securePort is the same"],
    ),
    "webhook in a user namespace": (
        {"userNamespaces": True, "injector": {"hostNetwork": True}},
        ["injector.hostNetwork: a pod with userNamespaces"],
    ),
    "approval of what nobody signs": (
        {"controller": {"certManager": {"approve": True}, "settings": {"signing": False}}},
        ["controller.certManager.approve: nobody signs what would be approved"],
    ),
    "subjects of no role": (
        {"kubectlPlugin": {"role": {"subjects": [{"kind": "User", "name": "me"}]}}},
        ["kubectlPlugin.role.subjects: create is false"],
    ),
    "everybody an administrator": (
        {"kubectlPlugin": {"role": {"create": True, "subjects": [{"kind": "Group", "name": "system:authenticated"}]}}},
        ["kubectlPlugin.role.subjects: system:authenticated is everybody"],
    ),
    "namespace of a user": (
        {"kubectlPlugin": {"role": {"create": True, "subjects": [{"kind": "User", "name": "me", "namespace": "a"}]}}},
        ["kubectlPlugin.role.subjects: User me has no namespace"],
    ),
    "kind of a subject": (
        {"kubectlPlugin": {"role": {"create": True, "subjects": [{"kind": "Robot", "name": "me"}]}}},
        ["subjects", "kind"],
    ),
    "limit of what is no kind": (
        {"apiserver": {"limits": {"maxObjectSizes": {"PolicyReport": "1Mi"}}}},
        ['apiserver.limits.maxObjectSizes: "PolicyReport" is no kind; write its plural and its group'],
    ),
    "bound of what is no kind": (
        {"apiserver": {"limits": {"maxRequestsInFlight": {"PolicyReport": 1}}}},
        ['apiserver.limits.maxRequestsInFlight: "PolicyReport" is no kind'],
    ),
    "limit in other units": (
        {"apiserver": {"limits": {"maxObjectSizes": {"things.example.com": "1MB"}}}},
        ["maxObjectSizes"],
    ),
    "limit of nothing": ({"apiserver": {"limits": {"defaultMaxObjectSize": 0}}}, ["defaultMaxObjectSize"]),
    "setting that limits have": ({"apiserver": {"settings": {"max_body": "1Mi"}}}, ["max_body", "not allowed"]),
    "lifetime": ({"apiserver": {"certificateLifetime": "a week"}}, ["certificateLifetime"]),
    "failure policy": ({"injector": {"failurePolicy": {"pods": "Retry"}}}, ["failurePolicy"]),
    "key that null takes away": ({"apiserver": {"settings": None}}, ["/apiserver", "settings"]),
    "group that null takes away": ({"networkPolicy": None}, ["networkPolicy"]),
    "list that null takes away": ({"ca": {"env": None}}, ["/ca", "env"]),
    "mount where the chart has one": (
        {"ca": {"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/tmp/"}]}},
        ["ca.volumeMounts: /tmp/ is where the chart mounts something, or is given twice; take another path"],
    ),
    "two mounts at one place": (
        {
            "volumes": [{"name": "a", "emptyDir": {}}],
            "volumeMounts": [{"name": "a", "mountPath": "/a"}],
            "apiserver": {"volumeMounts": [{"name": "a", "mountPath": "/a"}]},
        },
        ["apiserver.volumeMounts: /a is where the chart mounts something, or is given twice"],
    ),
    "mount of no volume": (
        {"controller": {"volumeMounts": [{"name": "a", "mountPath": "/a"}]}},
        ['controller.volumeMounts: there is no volume "a"; add it to controller.volumes, or to volumes'],
    ),
    "mount without a place": (
        {"injector": {"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a"}]}},
        ["injector.volumeMounts: an entry lacks name or mountPath"],
    ),
    "volume that the chart has for others' certificates": (
        {"volumes": [{"name": "extra-ca-certificates", "emptyDir": {}}]},
        ['"extra-ca-certificates" is the name of a volume that the chart has'],
    ),
    "group that is registered twice": (
        {"apiserver": {"apiServices": [{"group": "a.example", "version": "v1"}] * 2}},
        ["apiserver.apiServices: a.example/v1 is given twice; take one away"],
    ),
    "label with a space": ({"additionalLabels": {"team": "a b"}}, ["/additionalLabels/team", "a b"]),
    "label that is too long": ({"ca": {"podLabels": {"team": "a" * 64}}}, ["/ca/podLabels/team"]),
    "key of a label": ({"additionalLabels": {"my team": "a"}}, ["/additionalLabels", "my team"]),
    "key of an annotation": (
        {"ca": {"podAnnotations": {"Example.com/a": "b"}}},
        ["/ca/podAnnotations", "Example.com/a"],
    ),
    "scrape that may last longer than its interval": (
        {"serviceMonitor": {"enabled": True}, "ca": {"serviceMonitor": {"interval": "1m", "scrapeTimeout": "1m5s"}}},
        ["serviceMonitor.scrapeTimeout: 1m5s of ca is longer than its interval, 1m"],
    ),
    "name of a Service": (
        {"fullnameOverride": "2026"},
        ["fullnameOverride: the names of Services begin with a letter"],
    ),
    "storage class with a line break": (
        {"ca": {"persistence": {"size": "1Gi\nevil: true"}}},
        ["size"],
    ),
}


@pytest.mark.parametrize(("values", "said"), CASES.values(), ids=CASES)
def test_wrong_values_are_refused(helm, chart, values, said):
    refusal = helm.refusal(chart, values)

    assert [words for words in said if words not in refusal] == [], refusal


@pytest.mark.parametrize(
    "case", ["unknown key", "setting of the wrong type", "CIDR with too long a prefix", "replicas without a database"]
)
def test_both_majors_refuse_in_the_same_words(each_helm, chart, case):
    values, said = CASES[case]
    refusal = each_helm.refusal(chart, values)

    assert [words for words in said if words not in refusal] == []


@pytest.mark.parametrize(
    "network", ["0.0.0.0/0", "10.1.2.0/24", "::/0", "fd00::/8", "2001:db8:1:2:3:4:5:6/128", "::1/128"]
)
def test_networks_are_taken(helm, chart, network):
    assert network in helm.render(chart, values={"networkPolicy": {"apiServerCIDRs": [network]}})


@pytest.mark.parametrize(
    "image",
    [
        {"registry": "registry.example.com:5000"},
        {"registry": "[fd00::1]:5000/mirror/"},
        {"registry": "localhost", "repository": "team/chancery", "tag": "v1.0_rc-1"},
        {"repository": "registry.example.com:5000/team/chancery", "tag": ""},
    ],
)
def test_images_are_taken(helm, chart, image):
    assert f"{image.get('registry', '').rstrip('/')}" in helm.render(chart, values={"image": image})


@pytest.mark.parametrize("amount", [1, 0.5, "500m", "1.5Gi", "128974848", ".5"])
def test_quantities_are_taken(helm, chart, amount):
    assert f"cpu: {amount}" in helm.render(chart, values={"ca": {"resources": {"limits": {"cpu": amount}}}}).replace(
        "'", ""
    ).replace('"', "")


def test_values_cannot_add_fields_by_line_breaks(helm, chart):
    evil = 'fast"\n  evil: "true'
    rendered = helm.render(chart, values={"ca": {"persistence": {"storageClass": evil}, "priorityClassName": evil}})

    assert "\n  evil:" not in rendered


@pytest.mark.parametrize(
    "key", ["a", "a.b_c-d", "example.com/a", "e.example.com/A.b", "7", "argocd.argoproj.io/sync-wave"]
)
def test_keys_and_values_are_taken(helm, chart, key):
    text = 'he said "yes": {{ no }} # x'
    rendered = helm.render(chart, values={"additionalLabels": {key: ""}, "additionalAnnotations": {key: text}})

    assert all(each["metadata"]["annotations"][key] == text for each in documents(rendered))
