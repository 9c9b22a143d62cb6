"""Audit events: one request at one stage, as audit.k8s.io/v1 Event, a line of JSON.

- Headers never appear in one, so neither do credentials; a token in the query of a URI is masked.
- An event is one line whatever a caller sends: bodies are read and written again, never copied.
- Everything in it is bounded. An object beyond its bound is left out, and the event says that it was.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from apiserver.audit.policy import Decision, Level, Stage
from apiserver.identity.user import Attributes, User
from apiserver.statuses import status_document

_LARGEST_OBJECT = 256 << 10
"""Octets of a body that are written down; a larger one is left out."""

_LONGEST_URI = 4096
_LONGEST_USER_AGENT = 1024
_LONGEST_MESSAGE = 2048
_MOST_CAUSES = 16
_TRUNCATED = "audit.k8s.io/truncated"  # what kube-apiserver says where it has left an object out
_TOKEN = re.compile(r"(?<=[?&])([^=&]*token)=[^&]*", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """What is known of a request; filled in while it goes on. `user` is None where nobody was authenticated."""

    audit_id: str
    decision: Decision
    uri: str
    source_addresses: tuple[str, ...]
    user_agent: str
    user: User | None
    attributes: Attributes
    received_at: datetime
    impersonated: User | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    request_object: bytes | None = None
    error: BaseException | None = None

    @property
    def level(self) -> Level:
        return self.decision.level

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
            "requestURI": _TOKEN.sub(r"\1=…", self.uri[:_LONGEST_URI]),
            "verb": self.attributes.verb,
            "user": {} if self.user is None else _user(self.user),
        }
        if self.impersonated is not None:
            document["impersonatedUser"] = _user(self.impersonated)
        document["sourceIPs"] = self.source_addresses
        if self.user_agent:
            document["userAgent"] = self.user_agent[:_LONGEST_USER_AGENT]
        if self.attributes.resource:
            document["objectRef"] = _reference(self.attributes)
        if code is not None:
            document["responseStatus"] = self._status(code)
        annotations = dict(self.annotations)
        for name, octets in self._objects(response_object):
            found = _read(octets, omits_managed_fields=self.decision.omits_managed_fields)
            if found is None:
                annotations[_TRUNCATED] = "true"
            else:
                document[name] = found
        document["requestReceivedTimestamp"] = _micro(self.received_at)
        document["stageTimestamp"] = _micro(at)
        if annotations:
            document["annotations"] = annotations
        return _encode(document)

    def _objects(self, response_object: bytes | None) -> list[tuple[str, bytes]]:
        found = []
        if self.request_object and self.level in {Level.REQUEST, Level.REQUEST_RESPONSE}:
            found.append(("requestObject", self.request_object))
        if response_object and self.level is Level.REQUEST_RESPONSE:
            found.append(("responseObject", response_object))
        return found

    def _status(self, code: int) -> Mapping[str, object]:
        if self.error is None:
            return {"metadata": {}, "code": code}
        status = status_document(self.error)
        document: dict[str, object] = {"metadata": {}, "status": "Failure", "message": _bounded(str(status["message"]))}
        if "reason" in status:
            document["reason"] = status["reason"]
        details = status.get("details")
        if isinstance(details, dict):
            causes = details.get("causes")
            document["details"] = {**details, "causes": causes[:_MOST_CAUSES]} if isinstance(causes, list) else details
        document["code"] = code
        return document


def _user(user: User) -> Mapping[str, object]:
    document: dict[str, object] = {"username": user.name}
    if user.uid:
        document["uid"] = user.uid
    if user.groups:
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


def _read(octets: bytes, *, omits_managed_fields: bool) -> object | None:
    """The object, or None where it is too large or no JSON object or list."""
    if len(octets) > _LARGEST_OBJECT:
        return None
    try:
        document = orjson.loads(octets)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, (dict, list)):
        return None
    if omits_managed_fields:
        _drop_managed_fields(document)
    return document


def _drop_managed_fields(document: object) -> None:
    """Of an object and, where it is a list, of each item."""
    if not isinstance(document, dict):
        return
    metadata, items = document.get("metadata"), document.get("items")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    if isinstance(items, list):
        for item in items:
            _drop_managed_fields(item)


def _encode(document: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, ValueError):
        # A header may hold octets that are no UTF-8, which arrive as lone surrogates: no JSON text can hold those
        return orjson.dumps(_without_surrogates(document), option=orjson.OPT_APPEND_NEWLINE, default=str)


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_without_surrogates(name): _without_surrogates(child) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(child) for child in value]
    return value


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _micro(instant: datetime) -> str:
    """metav1.MicroTime."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
