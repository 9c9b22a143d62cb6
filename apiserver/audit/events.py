"""Audit events: one request at one stage, as audit.k8s.io/v1 Event. Headers never appear in one, so neither do credentials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from apiserver.audit.policy import Level, Stage
from apiserver.identity.user import Attributes, User

_LARGEST_OBJECT = 256 << 10
"""Octets of a body that are written down; a larger one is left out and said to be."""


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """What is known of a request; filled in while it goes on."""

    audit_id: str
    level: Level
    uri: str
    source_addresses: tuple[str, ...]
    user_agent: str
    user: User
    attributes: Attributes
    received_at: datetime
    impersonated: User | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    request_object: bytes | None = None

    def event(
        self, stage: Stage, at: datetime, *, code: int | None = None, response_object: bytes | None = None
    ) -> bytes:
        """A line of JSON, with its end."""
        document: dict[str, object] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self.level.value,
            "auditID": self.audit_id,
            "stage": stage.value,
            "requestURI": self.uri,
            "verb": self.attributes.verb,
            "user": _user(self.user),
        }
        if self.impersonated is not None:
            document["impersonatedUser"] = _user(self.impersonated)
        document |= {"sourceIPs": self.source_addresses, "userAgent": self.user_agent}
        if self.attributes.resource:
            document["objectRef"] = _reference(self.attributes)
        if code is not None:
            document["responseStatus"] = {"metadata": {}, "code": code}
        if self.request_object and self.level in {Level.REQUEST, Level.REQUEST_RESPONSE}:
            document["requestObject"] = _object(self.request_object)
        if response_object and self.level is Level.REQUEST_RESPONSE:
            document["responseObject"] = _object(response_object)
        document |= {"requestReceivedTimestamp": _micro(self.received_at), "stageTimestamp": _micro(at)}
        if self.annotations:
            document["annotations"] = self.annotations
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _user(user: User) -> Mapping[str, object]:
    document: dict[str, object] = {"username": user.name}
    if user.uid:
        document["uid"] = user.uid
    document["groups"] = user.groups
    if user.extra:
        document["extra"] = user.extra
    return document


def _reference(attributes: Attributes) -> Mapping[str, str]:
    named = {
        "resource": attributes.resource,
        "namespace": attributes.namespace,
        "name": attributes.name,
        "apiGroup": attributes.group,
        "apiVersion": attributes.version,
        "subresource": attributes.subresource,
    }
    return {name: value for name, value in named.items() if value}


def _object(octets: bytes) -> object:
    if len(octets) > _LARGEST_OBJECT:
        return {"omitted": f"{len(octets)} octets"}
    try:
        orjson.loads(octets)
    except orjson.JSONDecodeError:
        return {"omitted": "not JSON"}
    return orjson.Fragment(octets)


def _micro(instant: datetime) -> str:
    """metav1.MicroTime."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
