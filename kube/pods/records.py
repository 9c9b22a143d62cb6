"""Pods, Services and namespaces as values, read from whole documents or from what `kube.pods.projections` leaves of them.

- A field of the wrong type counts as one that is not there; a selector that is not understood in full selects nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ca.client.values import Pod
from kube.documents import JsonObject, created_at, is_being_deleted, mapping, name_of, namespace_of, text, texts, uid_of
from kube.vocabulary import DNS_ANNOTATION, INJECT_LABEL, INJECTED_ANNOTATION

_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRecord:
    """`dns` is the annotation's text, None where the pod has none."""

    namespace: str
    name: str
    uid: str
    service_account: str
    node: str
    hostname: str
    subdomain: str
    labels: Mapping[str, str]
    created_at: datetime | None
    dns: str | None
    is_injected: bool
    is_deleting: bool
    has_ended: bool

    @classmethod
    def from_document(cls, document: JsonObject) -> Self:
        annotations = mapping(document, "metadata", "annotations")
        return cls(
            namespace=namespace_of(document),
            name=name_of(document),
            uid=uid_of(document),
            service_account=text(document, "spec", "serviceAccountName"),
            node=text(document, "spec", "nodeName"),
            hostname=text(document, "spec", "hostname"),
            subdomain=text(document, "spec", "subdomain"),
            labels=texts(document, "metadata", "labels"),
            created_at=created_at(document),
            dns=text(annotations, DNS_ANNOTATION) if DNS_ANNOTATION in annotations else None,
            is_injected=INJECTED_ANNOTATION in annotations,
            is_deleting=is_being_deleted(document),
            has_ended=text(document, "status", "phase") in _ENDED,
        )

    @property
    def is_alive(self) -> bool:
        return not self.is_deleting and not self.has_ended

    @property
    def value(self) -> Pod:
        """As the authority is told of it."""
        return Pod(
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
            service_account=self.service_account,
            node=self.node,
        )

    def takes_part(self, *, namespace_is_opted_in: bool) -> bool:
        """Whether it may have DNS names at all: it is labelled, was injected, or is in a labelled namespace and does not opt
        out; or it says by annotation which names it wants, whoever sees to its certificate."""
        if self.dns is not None:
            return True
        label = self.labels.get(INJECT_LABEL)
        return label != "false" and (label == "true" or self.is_injected or namespace_is_opted_in)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    namespace: str
    name: str
    selector: Mapping[str, str]
    is_headless: bool
    is_external: bool

    @classmethod
    def from_document(cls, document: JsonObject) -> Self:
        selector = texts(document, "spec", "selector")
        return cls(
            namespace=namespace_of(document),
            name=name_of(document),
            selector=selector if len(selector) == len(mapping(document, "spec", "selector")) else {},
            is_headless=text(document, "spec", "clusterIP") == "None",
            is_external=text(document, "spec", "type") == "ExternalName",
        )

    def selects(self, pod: PodRecord) -> bool:
        """By equality in every label that the selector names; an empty one selects nothing (core/v1 ServiceSpec)."""
        if self.is_external or not self.selector or self.namespace != pod.namespace:
            return False
        return all(pod.labels.get(key) == value for key, value in self.selector.items())

    def host_of(self, pod: PodRecord) -> str:
        """The label by which a headless Service that is the pod's subdomain names it; empty where it has none."""
        return pod.hostname if self.is_headless and pod.subdomain == self.name else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    uid: str
    created_at: datetime | None

    @classmethod
    def from_document(cls, document: JsonObject) -> Self:
        return cls(uid=uid_of(document), created_at=created_at(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceRecord:
    name: str
    is_opted_in: bool
    is_deleting: bool

    @classmethod
    def from_document(cls, document: JsonObject) -> Self:
        return cls(
            name=name_of(document),
            is_opted_in=text(document, "metadata", "labels", INJECT_LABEL) == "true",
            is_deleting=is_being_deleted(document),
        )
