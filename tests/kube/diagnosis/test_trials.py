"""What is tried on a webhook by a dry run, and what is made of the outcome."""

import pytest

from kube.diagnosis.selectors import labels_for, meets
from kube.diagnosis.trials import trial_of, word_of_creation, word_of_refusal

NAMESPACES = [
    {"metadata": {"name": "kube-system", "labels": {"kubernetes.io/metadata.name": "kube-system"}}},
    {"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop", "chancery.dev/inject": "true"}}},
    {"metadata": {"name": "gone", "deletionTimestamp": "x", "labels": {"only": "here"}}},
]
PODS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["pods"],
    "scope": "Namespaced",
}


def webhook(**said):
    return {"name": "a.example", "rules": [PODS], "sideEffects": "None", "failurePolicy": "Fail", **said}


def test_pod_is_tried_that_the_injector_is_asked_about():
    elsewhere = {
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]
    }
    trial = trial_of(
        webhook(objectSelector={"matchLabels": {"chancery.dev/inject": "true"}}, namespaceSelector=elsewhere),
        NAMESPACES,
    )

    assert trial.namespace == "shop"
    assert trial.resource.plural == "pods"
    assert trial.document["metadata"]["labels"] == {"chancery.dev/inject": "true"}


@pytest.mark.parametrize(
    "said",
    [
        {"rules": [{**PODS, "resources": ["secrets"]}]},
        {"rules": [{**PODS, "operations": ["DELETE"]}]},
        {"rules": [{**PODS, "apiGroups": ["apps"]}]},
        {"rules": [{**PODS, "scope": "Cluster"}]},
        {"rules": []},
        {"rules": "x"},
        {"sideEffects": "Some"},
        {"namespaceSelector": {"matchLabels": {"only": "here"}}},
        {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Odd"}]}},
        {"objectSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}},
    ],
)
def test_nothing_is_tried_that_the_webhook_would_not_be_asked_about(said):
    assert trial_of(webhook(**said), NAMESPACES) is None


@pytest.mark.parametrize("resources", [["*"], ["*/*"], ["configmaps"]])
def test_rules_for_everything_are_tried_too(resources):
    assert trial_of(webhook(rules=[{**PODS, "resources": resources, "apiGroups": ["*"]}]), NAMESPACES) is not None


@pytest.mark.parametrize(
    ("message", "holds"),
    [
        ('POST /x: Internal error occurred: failed calling webhook "a.example": no endpoints', False),
        ('POST /x: Internal error occurred: failed calling webhook "b.example": no endpoints', None),
        ('POST /x: admission webhook "a.example" denied the request: no', True),
        ('POST /x: admission webhook "b.example" denied the request: no', None),
        ("POST /x: pods is forbidden", None),
    ],
)
def test_refusal_counts_where_it_names_the_webhook(message, holds):
    word = word_of_refusal(message, "a.example")

    assert (word and word.holds) == holds


def test_creation_proves_nothing_where_failures_are_ignored_but_for_what_was_injected():
    injected = {"metadata": {"annotations": {"chancery.dev/injected": "v1-sidecar"}}}

    assert word_of_creation({}, webhook()).holds
    assert word_of_creation({}, webhook(failurePolicy="Ignore")) is None
    assert word_of_creation({}, webhook(matchConditions=[{"name": "n", "expression": "false"}])) is None
    assert word_of_creation(injected, webhook(failurePolicy="Ignore")).holds


@pytest.mark.parametrize(
    ("selector", "labels", "is_met"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {"a": "b"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Odd"}]}, {"a": ""}, False),
    ],
)
def test_selectors_are_met_as_kubernetes_says(selector, labels, is_met):
    assert meets(selector, labels) is is_met


def test_labels_are_found_for_a_selector():
    selector = {
        "matchLabels": {"a": "1"},
        "matchExpressions": [
            {"key": "b", "operator": "In", "values": ["2", "3"]},
            {"key": "c", "operator": "Exists"},
            {"key": "d", "operator": "NotIn", "values": ["4"]},
        ],
    }

    assert labels_for(selector) == {"a": "1", "b": "2", "c": "true"}
