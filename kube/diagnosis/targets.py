"""Whom the API server calls over TLS, and by which roots: read from webhook configurations, APIServices and CRDs.

- A document that makes no sense has targets that make none either: nothing is raised for what somebody wrote into a cluster.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from kube.documents import JsonObject, JsonValue, mapping, name_of, objects, text
from kube.injection.decisions import is_opted_in

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A port of a Service, as it is called: `port` is the Service's, not the pod's."""

    namespace: str
    name: str
    port: int

    @property
    def server_name(self) -> str:
        """What the API server asks for, and what the certificate must be for."""
        return f"{self.name}.{self.namespace}.svc"

    def __str__(self) -> str:
        return f"{self.server_name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`ca_bundle` is as the document has it: base64, or nothing, or anything. `host` and `port` are of a URL without a Service."""

    kind: str
    name: str
    webhook: str = ""
    service: ServicePort | None = None
    host: str = ""
    port: int = HTTPS_PORT
    ca_bundle: JsonValue = None
    is_ours: bool = False
    skips_verification: bool = False
    failure_policy: str = ""

    @property
    def label(self) -> str:
        return f"{self.kind}/{self.name}" + (f" {self.webhook}" if self.webhook else "")

    @property
    def server_name(self) -> str:
        return self.service.server_name if self.service else self.host

    @property
    def address(self) -> str:
        return str(self.service) if self.service else f"{self.host}:{self.port}"


def targets_of(kind: str, document: JsonObject) -> Iterator[Target]:
    """None for what the API server does itself. `kind` is one of those of `kube.injection.kinds`."""
    name, is_ours = name_of(document), is_opted_in(document)
    if kind == "APIService":
        spec = mapping(document, "spec")
        if service := mapping(spec, "service"):
            yield Target(
                kind=kind,
                name=name,
                service=_service_port(service),
                ca_bundle=spec.get("caBundle"),
                is_ours=is_ours,
                skips_verification=spec.get("insecureSkipTLSVerify") is True,
            )
    elif kind == "CustomResourceDefinition":
        conversion = mapping(document, "spec", "conversion")
        if text(conversion, "strategy") == "Webhook":
            yield _target(kind, name, mapping(conversion, "webhook", "clientConfig"), is_ours=is_ours)
    else:
        webhooks = objects(document, "webhooks")
        for one in webhooks:
            yield _target(
                kind,
                name,
                mapping(one, "clientConfig"),
                is_ours=is_ours,
                webhook=text(one, "name") if len(webhooks) > 1 else "",
                failure_policy=text(one, "failurePolicy"),
            )


def _target(
    kind: str, name: str, client: JsonObject, *, is_ours: bool, webhook: str = "", failure_policy: str = ""
) -> Target:
    service = mapping(client, "service")
    host, port = _place_of(text(client, "url"))
    return Target(
        kind=kind,
        name=name,
        webhook=webhook,
        service=_service_port(service) if service else None,
        host=host,
        port=port,
        ca_bundle=client.get("caBundle"),
        is_ours=is_ours,
        failure_policy=failure_policy,
    )


def _service_port(service: JsonObject) -> ServicePort:
    port = service.get("port")
    return ServicePort(
        namespace=text(service, "namespace"),
        name=text(service, "name"),
        port=port if isinstance(port, int) else HTTPS_PORT,
    )


def _place_of(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "", HTTPS_PORT
    return host or "", port or HTTPS_PORT
