"""A dry run that a webhook is asked about, and what its outcome says of the API server's way to it.

- Nothing is stored and nothing starts. Only creations of pods and ConfigMaps are tried.
- Where the failure policy is Ignore a call that failed is not told, and conditions may leave the webhook out; then only what it
  changed shows that it was asked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kube.collections import Resource
from kube.diagnosis.reaching import Word
from kube.diagnosis.selectors import labels_for, meets
from kube.documents import JsonObject, JsonValue, mapping, metadata, name_of, objects, sequence, text, texts

DRY_RUN = {"dryRun": "All"}
INJECTED = "chancery.dev/injected"
_NAME = "chancery-doctor"
_KINDS = {"pods": "Pod", "configmaps": "ConfigMap"}
_FAILED = re.compile(r"failed calling webhook \"(?P<name>[^\"]*)\"")
_DENIED = re.compile(r"admission webhook \"(?P<name>[^\"]*)\" denied")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    resource: Resource
    namespace: str
    document: JsonObject


def trial_of(webhook: JsonObject, namespaces: Sequence[JsonObject]) -> Trial | None:
    """None where nothing can be tried that the webhook would be asked about."""
    plural = next((one for one in _KINDS if any(_is_for(rule, one) for rule in objects(webhook, "rules"))), None)
    labels = labels_for(mapping(webhook, "objectSelector"))
    if plural is None or labels is None or text(webhook, "sideEffects") not in {"None", "NoneOnDryRun"}:
        return None
    selector = mapping(webhook, "namespaceSelector")
    fitting = [
        name_of(one)
        for one in namespaces
        if not metadata(one).get("deletionTimestamp") and meets(selector, texts(one, "metadata", "labels"))
    ]
    if not fitting:
        return None
    document: JsonObject = {
        "apiVersion": "v1",
        "kind": _KINDS[plural],
        "metadata": {"name": _NAME, "labels": {**labels}},
    }
    if plural == "pods":
        document["spec"] = _pod_spec()
    namespace = "default" if "default" in fitting else fitting[0]
    return Trial(resource=Resource(version="v1", plural=plural), namespace=namespace, document=document)


def word_of_refusal(message: str, webhook: str) -> Word | None:
    """None where it says nothing about this webhook: it was another's, or the object was not to somebody's liking."""
    failed = _FAILED.search(message)
    if failed is not None:
        return Word(holds=False, message=message[failed.start() :]) if failed["name"] == webhook else None
    denied = _DENIED.search(message)
    return Word(holds=True) if denied is not None and denied["name"] == webhook else None


def word_of_creation(created: JsonObject, webhook: JsonObject) -> Word | None:
    """None where it was taken, but nothing shows that the webhook was asked."""
    is_injected = INJECTED in texts(created, "metadata", "annotations")
    has_to_be_asked = text(webhook, "failurePolicy") != "Ignore" and not webhook.get("matchConditions")
    return Word(holds=True) if is_injected or has_to_be_asked else None


def _is_for(rule: JsonObject, plural: str) -> bool:
    return (
        _names(rule, "apiGroups", "")
        and _names(rule, "apiVersions", "v1")
        and _names(rule, "operations", "CREATE")
        and (_names(rule, "resources", plural) or "*/*" in sequence(rule, "resources"))
        and text(rule, "scope") != "Cluster"
    )


def _names(rule: JsonObject, field: str, value: str) -> bool:
    return bool({value, "*"} & {one for one in sequence(rule, field) if isinstance(one, str)})


def _pod_spec() -> JsonObject:
    """One that every Pod Security Standard takes."""
    container: JsonObject = {
        "name": "none",
        "image": "chancery.invalid/none",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {
            "requests": {"cpu": "1m", "memory": "1Mi"},
            "limits": {"cpu": "1m", "memory": "1Mi"},
        },
    }
    containers: list[JsonValue] = [container]
    return {
        "containers": containers,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    }
