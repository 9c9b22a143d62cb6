"""Which namespaces get the trust bundle: those that say so, those with a pod that says so, and those that the settings name.

- A namespace that is being deleted takes nothing new; what is in it goes with it.
"""

from dataclasses import dataclass

from kube.documents import JsonObject, is_being_deleted, texts
from kube.vocabulary import INJECT_LABEL


@dataclass(frozen=True, slots=True, kw_only=True)
class OptingIn:
    """`listed` namespaces have it whatever their labels; with `by_label` off they alone have it."""

    listed: frozenset[str] = frozenset()
    by_label: bool = True

    def includes(self, name: str, namespace: JsonObject | None, *, has_pod: bool) -> bool:
        """`namespace` is None where there is none of that name; `has_pod`: a pod in it carries the label."""
        if namespace is None or is_being_deleted(namespace):
            return False
        labels = texts(namespace, "metadata", "labels")
        return name in self.listed or (self.by_label and (labels.get(INJECT_LABEL) == "true" or has_pod))


def project_pod(document: JsonObject) -> JsonObject:  # noqa: ARG001 - that it is there says all
    """That there is one."""
    return {}
