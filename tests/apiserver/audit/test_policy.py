"""The audit policy: what a document may say, and which rule fits a request."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apiserver.audit.policy import DEFAULT_POLICY, AuditPolicy, Decision, Level, Stage
from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.user import User
from apiserver.requests.names import subdomain_faults
from tests.apiserver.audit.requests import ANN, path, resource

TOP = ("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields")
HEAD = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}


def policy(*rules, **others):
    return AuditPolicy.from_document({**HEAD, "rules": list(rules), **others})


def level(rule, attributes, user=ANN):
    return policy({"level": "Metadata", **rule}).decide(user, attributes).level


def faults(document):
    with pytest.raises(ApiSettingsInvalid) as refused:
        AuditPolicy.from_document(document)
    return list(refused.value.faults)


def test_a_policy_as_kubernetes_documents_it_is_read():
    read = AuditPolicy.from_document(
        yaml.safe_load("""
            apiVersion: audit.k8s.io/v1
            kind: Policy
            metadata: {name: example}
            omitStages: [RequestReceived]
            omitManagedFields: true
            rules:
            - level: RequestResponse
              resources: [{group: "", resources: [pods]}]
            - level: Metadata
              resources: [{group: "", resources: [pods/log, pods/status]}]
            - level: None
              users: ["system:kube-proxy"]
              verbs: [watch]
              resources: [{group: "", resources: [endpoints, services]}]
            - level: None
              userGroups: ["system:authenticated"]
              nonResourceURLs: ["/api*", "/version"]
            - level: Request
              resources: [{group: "", resources: [configmaps], resourceNames: [controller-leader]}]
              namespaces: [kube-system]
              omitManagedFields: false
            - level: Metadata
              omitStages: [Panic]
        """)
    )

    assert [rule.level.value for rule in read.rules] == [
        "RequestResponse",
        "Metadata",
        "None",
        "None",
        "Request",
        "Metadata",
    ]
    leader = resource("update", group="", resource="configmaps", namespace="kube-system", name="controller-leader")
    received = frozenset({Stage.REQUEST_RECEIVED})
    assert read.decide(ANN, leader) == Decision(level=Level.REQUEST, omitted=received)
    assert read.decide(None, leader) == Decision(level=Level.REQUEST, omitted=received)
    assert read.decide(ANN, resource()) == Decision(
        level=Level.METADATA, omitted=received | {Stage.PANIC}, omits_managed_fields=True
    )
    assert read.decide(ANN, path("/apis")).level is Level.NONE
    assert read.decide(None, path("/apis")).level is Level.METADATA


def test_the_first_rule_that_fits_decides():
    rules = policy({"level": "None", "verbs": ["get"]}, {"level": "Request", "users": ["ann"]}, {"level": "Metadata"})

    assert rules.decide(ANN, resource("get")).level is Level.NONE
    assert rules.decide(ANN, resource("update")).level is Level.REQUEST
    assert rules.decide(User(name="bob"), resource("update")).level is Level.METADATA


def test_where_no_rule_fits_nothing_is_written():
    assert level({"users": ["bob"]}, resource()) is Level.NONE


@pytest.mark.parametrize(
    ("resources", "subresource", "fits"),
    [
        (["gadgets"], "", True),
        (["gadgets"], "status", False),
        (["gadgets/status"], "status", True),
        (["gadgets/status"], "", False),
        (["gadgets/*"], "status", True),
        (["gadgets/*"], "", True),
        (["*/status"], "status", True),
        (["*/status"], "", False),
        (["*/status"], "scale", False),
        (["*"], "", True),
        (["*"], "status", True),
        ([""], "", False),
        ([], "status", True),
        (["widgets", "gadgets"], "", True),
    ],
)
def test_resources_fit_as_kube_apiserver_fits_them(resources, subresource, fits):
    rule = {"resources": [{"group": "example.com", "resources": resources}]}

    assert (level(rule, resource(subresource=subresource)) is Level.METADATA) is fits


@pytest.mark.parametrize(("group", "fits"), [("example.com", True), ("*", True), ("", False), ("example.org", False)])
def test_groups_fit_by_name_or_wildcard(group, fits):
    assert (level({"resources": [{"group": group}]}, resource()) is Level.METADATA) is fits


@pytest.mark.parametrize(("names", "fits"), [(["a"], True), (["b"], False), ([], True)])
def test_names_narrow_resources(names, fits):
    rule = {"resources": [{"group": "example.com", "resources": ["gadgets"], "resourceNames": names}]}

    assert (level(rule, resource()) is Level.METADATA) is fits


def test_namespaces_fit_resources_alone_and_the_empty_one_those_of_the_cluster():
    assert level({"namespaces": ["gold"]}, resource()) is Level.METADATA
    assert level({"namespaces": ["silver"]}, resource()) is Level.NONE
    assert level({"namespaces": [""]}, resource(namespace="")) is Level.METADATA
    assert level({"namespaces": ["gold"]}, path("/metrics")) is Level.NONE


@pytest.mark.parametrize(
    ("pattern", "asked", "fits"),
    [
        ("/metrics", "/metrics", True),
        ("/metrics", "/metrics/x", False),
        ("/healthz*", "/healthz/log", True),
        ("*", "/anything", True),
        ("/a/*", "/a", False),
    ],
)
def test_paths_fit_whole_or_by_their_beginning(pattern, asked, fits):
    assert (level({"nonResourceURLs": [pattern]}, path(asked)) is Level.METADATA) is fits


def test_paths_do_not_fit_resources():
    assert level({"nonResourceURLs": ["*"]}, resource()) is Level.NONE


def test_rules_about_users_do_not_fit_who_is_unknown():
    assert level({"users": ["ann"]}, resource(), user=None) is Level.NONE
    assert level({"userGroups": ["dev"]}, resource(), user=None) is Level.NONE
    assert level({}, resource(), user=None) is Level.METADATA


def test_every_fault_is_told_with_its_place():
    assert faults(
        {
            "apiVersion": "audit.k8s.io/v1beta1",
            "kind": "Policy",
            "rulez": [],
            "omitStages": ["Begin"],
            "rules": [
                {"level": "Everything", "verbs": "get"},
                {"nonResourceURLs": ["metrics", "/a*b", "*"], "namespaces": ["gold"]},
                {
                    "level": "None",
                    "resources": [{"group": "example.com/v1", "resourceNames": ["a"], "kind": "Gadget"}],
                    "omitManagedFields": "yes",
                },
            ],
        }
    ) == [
        f"audit policy: rulez: is no field of this; known are {', '.join(TOP)}",
        "audit policy: must be of kind Policy, apiVersion audit.k8s.io/v1",
        "audit policy: rules[0].level: must be one of None, Metadata, Request, RequestResponse",
        "audit policy: rules[0].verbs: must be a list of texts",
        "audit policy: rules[1].level: must be one of None, Metadata, Request, RequestResponse",
        "audit policy: rules[1].nonResourceURLs[0]: must begin with a '/' character",
        "audit policy: rules[1].nonResourceURLs[1]: the wildcard '*' must be the final character",
        "audit policy: rules[1].nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs",
        "audit policy: rules[2].resources[0].kind: is no field of this; known are group, resources, resourceNames",
        *[
            f"audit policy: rules[2].resources[0].group: 'example.com/v1': {why}"
            for why in subdomain_faults("example.com/v1")
        ],
        "audit policy: rules[2].resources[0].resourceNames: using resourceNames requires at least one resource",
        "audit policy: rules[2].omitManagedFields: must be true or false",
        "audit policy: omitStages[0]: must be one of RequestReceived, ResponseStarted, ResponseComplete, Panic",
    ]


@pytest.mark.parametrize("document", [None, [], "Policy", {**HEAD}, {**HEAD, "rules": []}, {**HEAD, "rules": [1]}])
def test_what_is_no_policy_is_refused(document):
    assert faults(document)


def names():
    return st.sampled_from(["get", "ann", "dev", "gadgets", "*", "", "/a", "/a*", "a*b", "example.com", "Panic", "x/y"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | names(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | names(), inner, max_size=3),
    max_leaves=10,
)


def lists_or_anything(of_what):
    return st.lists(of_what, max_size=3) | JSON


RULES = st.fixed_dictionaries(
    {"level": st.sampled_from(["None", "Metadata", "Request", "RequestResponse"]) | JSON},
    optional={
        "users": lists_or_anything(names()),
        "userGroups": lists_or_anything(names()),
        "verbs": lists_or_anything(names()),
        "namespaces": lists_or_anything(names()),
        "nonResourceURLs": lists_or_anything(names()),
        "omitStages": lists_or_anything(names()),
        "omitManagedFields": st.booleans() | JSON,
        "resources": lists_or_anything(
            st.fixed_dictionaries(
                {},
                optional={
                    "group": names() | JSON,
                    "resources": lists_or_anything(names()),
                    "resourceNames": lists_or_anything(names()),
                },
            )
        ),
    },
)


@given(JSON | st.fixed_dictionaries({**{k: st.just(v) for k, v in HEAD.items()}, "rules": lists_or_anything(RULES)}))
def test_any_document_is_a_policy_that_decides_or_is_refused_with_its_faults(document):
    try:
        read = AuditPolicy.from_document(document)
    except ApiSettingsInvalid as err:
        read, refused = None, err.faults
    if read is None:
        assert refused
        return
    for user in (None, ANN):
        for attributes in (resource("get"), resource(subresource="status"), path("/a"), path("/metrics")):
            first = next((rule for rule in read.rules if rule.fits(user, attributes)), None)
            assert read.decide(user, attributes).level is (Level.NONE if first is None else first.level)


@pytest.mark.parametrize(
    "asked", ["/healthz", "/livez/ping", "/readyz", "/metrics", "/version", "/openapi/v3", "/apis/x"]
)
def test_by_default_health_and_discovery_are_not_written(asked):
    assert DEFAULT_POLICY.decide(ANN, path(asked)).level is Level.NONE


@pytest.mark.parametrize(
    "attributes",
    [*map(resource, ("get", "list", "watch", "create", "delete")), path("/debug/pprof/heap"), path("/metrics", "post")],
    ids=lambda attributes: f"{attributes.verb} {attributes.path}",
)
def test_by_default_everything_else_is_written_without_bodies(attributes):
    for user in (ANN, None):
        assert DEFAULT_POLICY.decide(user, attributes) == Decision(
            level=Level.METADATA, omitted=frozenset({Stage.REQUEST_RECEIVED})
        )
