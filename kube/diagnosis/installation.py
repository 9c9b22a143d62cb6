"""What of the product there is in a namespace: workloads by their labels, and what those were told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kube.collections import Resource
from kube.diagnosis.looking import Looker, Unseen, seen
from kube.diagnosis.rights import FEATURES
from kube.diagnosis.workloads import component_of, variable_of
from kube.documents import JsonObject, name_of, namespace_of, text, texts

DEPLOYMENTS = Resource(group="apps", version="v1", plural="deployments")
STATEFUL_SETS = Resource(group="apps", version="v1", plural="statefulsets")
PART_OF = {"labelSelector": "app.kubernetes.io/part-of=chancery"}
_COMPONENTS = ("ca", "controller", "injector", "apiserver")
_OFF = {"false", "no", "0", "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """`unseen` says what kept us from seeing workloads."""

    namespace: str
    workloads: Sequence[JsonObject] = field(default=())
    unseen: str = ""

    def component(self, name: str) -> JsonObject | None:
        return next((one for one in self.workloads if component_of(one) == name), None)

    @property
    def releases(self) -> frozenset[str]:
        names = (texts(one, "metadata", "labels").get("app.kubernetes.io/instance", "") for one in self.workloads)
        return frozenset(filter(None, names))

    @property
    def roots_secret(self) -> str:
        """Empty where the authority publishes none."""
        authority = self.component("ca")
        return variable_of(authority, "CHANCERY_KUBERNETES_ROOTS_SECRET") if authority else ""

    @property
    def lease(self) -> str:
        controller = self.component("controller")
        return (
            (variable_of(controller, "CHANCERY_CONTROLLER_LEASE_NAME") or "chancery-controller") if controller else ""
        )

    @property
    def features(self) -> frozenset[str]:
        """What the controller does; nothing where there is none."""
        if self.component("controller") is None:
            return frozenset()
        return frozenset(one for one in FEATURES if self.setting(one, "true").lower() not in _OFF)

    @property
    def writes_bundles(self) -> bool:
        """Not where its controller was told to leave that to somebody else, as to the registrar of another release."""
        return self.component("controller") is None or "injection" in self.features

    def setting(self, name: str, default: str) -> str:
        """Of the controller."""
        controller = self.component("controller")
        return (variable_of(controller, f"CHANCERY_CONTROLLER_{name.upper()}") if controller else "") or default

    @property
    def accounts(self) -> Sequence[tuple[str, str]]:
        """Component and service account."""
        return [
            (component_of(one), text(one, "spec", "template", "spec", "serviceAccountName") or "default")
            for one in self.workloads
            if component_of(one) in _COMPONENTS
        ]


def find_installation(looker: Looker, namespace: str) -> Installation | Sequence[str]:
    """In `namespace`, or wherever there is one; the namespaces where there are several, or none."""
    found = _workloads(looker, namespace)
    if namespace:
        unseen = found.why if isinstance(found, Unseen) else ""
        return Installation(namespace=namespace, workloads=seen(found), unseen=unseen)
    namespaces = sorted({namespace_of(one) for one in seen(found) if component_of(one) == "ca"})
    if len(namespaces) != 1:
        return namespaces
    return Installation(
        namespace=namespaces[0], workloads=[one for one in seen(found) if namespace_of(one) == namespaces[0]]
    )


def _workloads(looker: Looker, namespace: str) -> Sequence[JsonObject] | Unseen:
    parts = [looker.all_of(resource, namespace, PART_OF) for resource in (STATEFUL_SETS, DEPLOYMENTS)]
    for part in parts:
        if isinstance(part, Unseen):
            return part
    return sorted((one for part in parts for one in seen(part)), key=_order)


def _order(workload: JsonObject) -> tuple[int, str]:
    component = component_of(workload)
    return (_COMPONENTS.index(component) if component in _COMPONENTS else len(_COMPONENTS), name_of(workload))
