"""The kinds that hold a `caBundle`, where they hold it, and how one field of theirs is changed without touching another.

- Webhooks are patched by their names and never by their places, as others add, remove and reorder them. Never by server-side
  apply: half an entry that is owned by us wedges the owner who removes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kube.cluster import PatchKind
from kube.collections import Resource
from kube.documents import JsonObject, JsonValue, mapping, objects, resource_version_of, text
from kube.projections import kept_metadata
from kube.trust.contents import Contents
from kube.vocabulary import INJECT_LABEL

_ADMISSION = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One `caBundle`; `name` is that of the webhook, or the field's path where an object has one alone."""

    name: str
    contents: Contents


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """An object that asked for the bundle and does not get it. `reason` is an Event's."""

    reason: str
    message: str


class TargetKind(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def resource(self) -> Resource: ...

    @property
    def patch_kind(self) -> PatchKind: ...

    def fields(self, document: JsonObject) -> Sequence[Field] | LeftAlone:
        """None at all where the object has no place for a bundle, and needs none."""

    def patch(self, document: JsonObject, fields: Sequence[Field], ca_bundle: str) -> JsonObject:
        """Conditional on the document's version."""

    def project(self, document: JsonObject) -> JsonObject:
        """What is needed of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _WebhookConfigurations:
    name: str
    resource: Resource
    patch_kind: PatchKind = PatchKind.STRATEGIC

    def fields(self, document: JsonObject) -> Sequence[Field] | LeftAlone:
        webhooks = objects(document, "webhooks")
        names = [text(one, "name") for one in webhooks]
        if not all(names) or len(set(names)) != len(names):
            return LeftAlone(
                reason="WebhookNamesAmbiguous", message="webhooks without names of their own cannot be told apart"
            )
        return [_field(name, mapping(one, "clientConfig")) for name, one in zip(names, webhooks, strict=True)]

    def patch(self, document: JsonObject, fields: Sequence[Field], ca_bundle: str) -> JsonObject:
        webhooks: list[JsonValue] = [{"name": one.name, "clientConfig": {"caBundle": ca_bundle}} for one in fields]
        return {"metadata": _condition(document), "webhooks": webhooks}

    def project(self, document: JsonObject) -> JsonObject:
        webhooks: list[JsonValue] = [
            {"name": text(one, "name"), "clientConfig": {"caBundle": mapping(one, "clientConfig").get("caBundle")}}
            for one in objects(document, "webhooks")
        ]
        return {"metadata": _kept_metadata(document), "webhooks": webhooks}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ApiServices:
    name: str
    resource: Resource
    patch_kind: PatchKind = PatchKind.MERGE

    def fields(self, document: JsonObject) -> Sequence[Field] | LeftAlone:
        spec = mapping(document, "spec")
        if not mapping(spec, "service"):
            return LeftAlone(
                reason="NoService", message="the API server serves this API itself; there is nothing to trust"
            )
        if spec.get("insecureSkipTLSVerify") is True:
            # the API server refuses both together, and it is not ours to take away what somebody set
            message = "insecureSkipTLSVerify is set: remove it, and the trust bundle is injected"
            return LeftAlone(reason="InsecureSkipTLSVerify", message=message)
        return [_field("spec.caBundle", spec)]

    def patch(self, document: JsonObject, fields: Sequence[Field], ca_bundle: str) -> JsonObject:  # noqa: ARG002 - has one
        return {"metadata": _condition(document), "spec": {"caBundle": ca_bundle}}

    def project(self, document: JsonObject) -> JsonObject:
        spec = mapping(document, "spec")
        kept: JsonObject = {key: spec[key] for key in ("service", "insecureSkipTLSVerify", "caBundle") if key in spec}
        return {"metadata": _kept_metadata(document), "spec": kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conversions:
    name: str
    resource: Resource
    patch_kind: PatchKind = PatchKind.MERGE

    def fields(self, document: JsonObject) -> Sequence[Field] | LeftAlone:
        conversion = mapping(document, "spec", "conversion")
        client = mapping(conversion, "webhook", "clientConfig")
        if text(conversion, "strategy") != "Webhook" or not client:
            return ()  # it may come to have one
        return [_field("spec.conversion.webhook.clientConfig.caBundle", client)]

    def patch(self, document: JsonObject, fields: Sequence[Field], ca_bundle: str) -> JsonObject:  # noqa: ARG002 - has one
        conversion: JsonObject = {"webhook": {"clientConfig": {"caBundle": ca_bundle}}}
        return {"metadata": _condition(document), "spec": {"conversion": conversion}}

    def project(self, document: JsonObject) -> JsonObject:
        return {
            "metadata": _kept_metadata(document),
            "spec": {"conversion": mapping(document, "spec", "conversion")},
        }


KINDS: Sequence[TargetKind] = (
    _WebhookConfigurations(
        name="ValidatingWebhookConfiguration",
        resource=Resource(group=_ADMISSION, version="v1", plural="validatingwebhookconfigurations", namespaced=False),
    ),
    _WebhookConfigurations(
        name="MutatingWebhookConfiguration",
        resource=Resource(group=_ADMISSION, version="v1", plural="mutatingwebhookconfigurations", namespaced=False),
    ),
    _ApiServices(
        name="APIService",
        resource=Resource(group="apiregistration.k8s.io", version="v1", plural="apiservices", namespaced=False),
    ),
    _Conversions(
        name="CustomResourceDefinition",
        resource=Resource(
            group="apiextensions.k8s.io", version="v1", plural="customresourcedefinitions", namespaced=False
        ),
    ),
)


def _field(name: str, holder: JsonObject) -> Field:
    return Field(name=name, contents=Contents.from_base64(holder.get("caBundle")))


def _condition(document: JsonObject) -> JsonObject:
    return {"resourceVersion": resource_version_of(document)}


def _kept_metadata(document: JsonObject) -> JsonObject:
    return kept_metadata(document, labels=(INJECT_LABEL,))
