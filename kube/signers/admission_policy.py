"""The ValidatingAdmissionPolicy without which a PodCertificateRequest proves nothing: is it in the cluster, and whole?

- Compared is what it does: the same rules, conditions and validations, bound to deny, with nothing left out of its reach.
- A policy that says more is another one: what is not known to be as strict as ours does not count.
- It holds for what is created from then on: a request that was there before proves as little as without it.
"""

from datetime import datetime, timedelta

from kube.collections import Resource
from kube.documents import JsonObject, JsonValue, created_at, mapping, name_of, objects, text
from kube.instants import instant_of
from kube.signers.manifests import ADMISSION_POLICY, read_manifests

_GROUP = "admissionregistration.k8s.io"
POLICIES = Resource(group=_GROUP, version="v1", plural="validatingadmissionpolicies", namespaced=False)
BINDINGS = Resource(group=_GROUP, version="v1", plural="validatingadmissionpolicybindings", namespaced=False)

TAKES_EFFECT = timedelta(seconds=5)
"""How long API servers may take until they ask it."""


def policy_and_binding() -> tuple[JsonObject, JsonObject]:
    """As they should be."""
    policy, binding = read_manifests(ADMISSION_POLICY)
    return policy, binding


def policy_name() -> str:
    return name_of(policy_and_binding()[0])


def fault_of_policy(policy: JsonObject | None, binding: JsonObject | None) -> str:
    """Empty where both are there and do what ours do."""
    wanted_policy, wanted_binding = policy_and_binding()
    if policy is None or binding is None:
        lacking = "ValidatingAdmissionPolicy" if policy is None else "ValidatingAdmissionPolicyBinding"
        return f"there is no {lacking} {policy_name()}, so that not only nodes can ask for pods' certificates; apply it"
    for kind, found, wanted in (
        ("ValidatingAdmissionPolicy", policy, wanted_policy),
        ("ValidatingAdmissionPolicyBinding", binding, wanted_binding),
    ):
        spec = mapping(wanted, "spec")
        if _without_defaults(found.get("spec")) != _without_defaults(dict(spec)):
            return f"the {kind} {policy_name()} is not the one that belongs to this version; apply it anew"
    return ""


def proves(request: JsonObject, policy: JsonObject, binding: JsonObject) -> bool:
    """Whether policy and binding were there, as they are, when the request was made."""
    made, since = created_at(request), (_written_at(policy), _written_at(binding))
    return made is not None and all(one is not None and made > one + TAKES_EFFECT for one in since)


def _written_at(document: JsonObject) -> datetime | None:
    """When anything but its status was last written."""
    written = [
        instant_of(text(one, "time"))
        for one in objects(document, "metadata", "managedFields")
        if not text(one, "subresource")
    ]
    return max(filter(None, (created_at(document), *written)), default=None)


_DEFAULTS: JsonObject = {"matchPolicy": "Equivalent", "scope": "*"}


def _without_defaults(value: JsonValue) -> JsonValue:
    """Without empty members, and without those that the API server fills in."""
    if isinstance(value, list):
        return [_without_defaults(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_defaults(one) for key, one in value.items()}
    return {key: one for key, one in kept.items() if one not in ({}, [], None) and _DEFAULTS.get(key) != one}
