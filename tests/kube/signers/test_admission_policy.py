"""The manifests: complete, and compared as what they do."""

import copy
from typing import Any

import pytest

from kube.signers.admission_policy import fault_of_policy, policy_and_binding
from kube.signers.issuers import CLUSTER_ISSUERS, ISSUERS
from kube.signers.manifests import ISSUERS as ISSUERS_FILE
from kube.signers.manifests import RBAC, read_manifests
from kube.vocabulary import Signer


def as_stored() -> tuple[dict[str, Any], dict[str, Any]]:
    """As the API server shows them, with its defaults."""
    policy, binding = copy.deepcopy(policy_and_binding())
    constraints = policy["spec"]["matchConstraints"]
    constraints |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    constraints["resourceRules"][0]["scope"] = "*"
    policy["status"] = {"observedGeneration": 1}
    return policy, binding


def test_policy_as_the_api_server_stores_it_is_ours():
    assert fault_of_policy(*as_stored()) == ""


@pytest.mark.parametrize("missing", [0, 1])
def test_policy_that_is_not_there_is_told(missing: int):
    found: list[Any] = list(as_stored())
    found[missing] = None

    assert "there is no ValidatingAdmissionPolicy" in fault_of_policy(*found)


@pytest.mark.parametrize(
    ("which", "path", "value"),
    [
        (0, ["spec", "failurePolicy"], "Ignore"),
        (0, ["spec", "validations"], []),
        (0, ["spec", "validations", 0, "expression"], "true"),
        (0, ["spec", "matchConditions", 0, "expression"], "false"),
        (0, ["spec", "matchConstraints", "resourceRules", 0, "operations"], ["UPDATE"]),
        (0, ["spec", "matchConstraints", "resourceRules", 0, "apiVersions"], ["v1"]),
        (0, ["spec", "matchConstraints", "resourceRules", 0, "scope"], "Cluster"),
        (0, ["spec", "matchConstraints", "excludeResourceRules"], [{"resources": ["*"]}]),
        (0, ["spec", "matchConstraints", "namespaceSelector"], {"matchLabels": {"a": "b"}}),
        (0, ["spec"], None),
        (1, ["spec", "validationActions"], ["Warn"]),
        (1, ["spec", "policyName"], "another"),
        (1, ["spec", "matchResources"], {"namespaceSelector": {"matchLabels": {"a": "b"}}}),
        (1, ["spec", "paramRef"], {"name": "x"}),
    ],
    ids=str,
)
def test_policy_that_does_less_is_not_ours(which: int, path: list[Any], value: Any):
    found = as_stored()
    at: Any = found[which]
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value

    assert "is not the one" in fault_of_policy(*found)


def test_rights_are_for_our_signers_and_for_nothing_secret():
    (role,) = read_manifests(RBAC)
    rules = role["rules"]
    signers = [rule for rule in rules if rule["resources"] == ["signers"]]

    assert all(rule["resourceNames"] == [str(signer) for signer in Signer] for rule in signers)
    assert not any("*" in str(rule) or "secrets" in rule["resources"] for rule in rules)


def test_definitions_are_of_the_issuers_that_are_watched():
    found = {one["metadata"]["name"]: one["spec"] for one in read_manifests(ISSUERS_FILE)}

    for resource in (ISSUERS, CLUSTER_ISSUERS):
        spec = found[f"{resource.plural}.{resource.group}"]
        assert spec["versions"][0]["name"] == resource.version
        assert spec["scope"] == ("Namespaced" if resource.namespaced else "Cluster")
