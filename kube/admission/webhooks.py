"""The two webhook configurations by which the API server asks the injector, as documents.

- One for pods that ask themselves, one for namespaces that ask for theirs: no webhook can OR two selectors. No pod meets both.
- One entry each, and no caBundle: the registrar puts that in, by the label, and nobody else writes it.
- `failurePolicy: Fail`: a pod without the identity that it counts on is worse than one that comes later. The cluster's own pods and
  the injector's are never asked about.
"""

from dataclasses import dataclass

from kube.admission.names import IDENTITY_VOLUME, MIRROR_ANNOTATION
from kube.documents import JsonObject
from kube.vocabulary import DOMAIN, INJECT_LABEL, INJECTED_ANNOTATION

PATH = "/mutate"

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
_HAS_ANNOTATION = "has(object.metadata.annotations) && '{0}' in object.metadata.annotations"
_NOT_INJECTED = (
    f"!({_HAS_ANNOTATION.format(INJECTED_ANNOTATION)} && has(object.spec.volumes)"
    f" && object.spec.volumes.exists(volume, volume.name == '{IDENTITY_VOLUME}'))"
)
_NOT_MIRROR = f"!({_HAS_ANNOTATION.format(MIRROR_ANNOTATION)})"
_NOT_HOST_NETWORK = "!has(object.spec.hostNetwork) || !object.spec.hostNetwork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """`namespace` and `service` are where the API server finds the injector; `port` is the Service's."""

    namespace: str
    service: str = "chancery-injector"
    port: int = 443
    failure_policy: str = "Fail"
    timeout_seconds: int = 5
    host_network: bool = False
    excluded_namespaces: tuple[str, ...] = ("kube-system",)
    included_namespaces: tuple[str, ...] = ()
    """In which alone pods are asked about; any that is not excluded, where none is named."""

    def documents(self) -> tuple[JsonObject, JsonObject]:
        """For pods that ask, and for namespaces that ask."""
        asked: JsonObject = {"matchLabels": {INJECT_LABEL: "true"}}
        undecided: JsonObject = {
            "matchExpressions": [{"key": INJECT_LABEL, "operator": "NotIn", "values": ["true", "false"]}]
        }
        conditions = {"not-injected": _NOT_INJECTED, "not-a-mirror": _NOT_MIRROR}
        namespaces_conditions = dict(conditions)
        if not self.host_network:
            namespaces_conditions["not-of-the-hosts-network"] = _NOT_HOST_NETWORK
        namespaces: JsonObject = {**asked, **self._elsewhere()}
        return (
            self._document("pods", pods=asked, namespaces=self._elsewhere(), conditions=conditions),
            self._document("namespaces", pods=undecided, namespaces=namespaces, conditions=namespaces_conditions),
        )

    def _elsewhere(self) -> JsonObject:
        own = [*self.excluded_namespaces, self.namespace]
        expressions: list[JsonObject] = [{"key": _NAMESPACE_NAME, "operator": "NotIn", "values": [*own]}]
        if self.included_namespaces:
            expressions.append({"key": _NAMESPACE_NAME, "operator": "In", "values": [*self.included_namespaces]})
        return {"matchExpressions": [*expressions]}

    def _document(
        self, what: str, *, pods: JsonObject, namespaces: JsonObject, conditions: dict[str, str]
    ) -> JsonObject:
        webhook: JsonObject = {
            "name": f"{what}.injector.{DOMAIN}",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "service": {"namespace": self.namespace, "name": self.service, "path": PATH, "port": self.port}
            },
            "rules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["pods"],
                    "scope": "Namespaced",
                }
            ],
            "matchPolicy": "Equivalent",
            "objectSelector": pods,
            "namespaceSelector": namespaces,
            "matchConditions": [{"name": name, "expression": expression} for name, expression in conditions.items()],
            "sideEffects": "None",
            "reinvocationPolicy": "IfNeeded",
            "failurePolicy": self.failure_policy,
            "timeoutSeconds": self.timeout_seconds,
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": f"{self.service}-{what}", "labels": {INJECT_LABEL: "true"}},
            "webhooks": [webhook],
        }
