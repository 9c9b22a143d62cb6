"""One script of requests, played to one server: what came back, in a form that does not depend on which server it was.

- UIDs, times, ages and revisions differ; which objects have the same UID or revision does not, and is kept.
- What kube-apiserver leaves to chance, the order of causes and of managers within a second, is sorted. It validates metadata twice
  on an update: a cause counts once.
- A text that Go's parsers of JSON and YAML make up is not compared where a script says `texts=False`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.apiserver.client import Answer, ApiClient

API = "/apis/upstream.example.com/v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_REVISION = re.compile(r"(?<=in record \()\d+|(?<=current: )\d+")
_NOT_OFFERED = re.compile(r", application/(vnd\.kubernetes\.protobuf|cbor)(;[a-z=-]+)?")

Script = Callable[["Player"], None]


@dataclass(slots=True, kw_only=True)
class Player:
    """`namespace` is the script's own."""

    client: ApiClient
    namespace: str
    played: list[tuple[str, object]] = field(default_factory=list)
    _names: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def widgets(self) -> str:
        return f"{API}/namespaces/{self.namespace}/widgets"

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def create(self, document: object, **options: Any) -> Any:
        """A widget."""
        return self.request("POST", self.widgets, document, **options)

    def put(self, path: str, document: object, **options: Any) -> Any:
        return self.request("PUT", path, document, **options)

    def patch(self, path: str, patch: object, *, kind: str = "merge-patch+json", **options: Any) -> Any:
        return self.request("PATCH", path, patch, headers={"Content-Type": f"application/{kind}"}, **options)

    def apply(self, path: str, document: object, *, manager: str = "tester", **options: Any) -> Any:
        return self.patch(path, document, kind="apply-patch+yaml", fieldManager=manager, **options)

    def delete(self, path: str, options: object = None, **query: Any) -> Any:
        return self.request("DELETE", path, options, **query)

    def request(self, method: str, path: str, body: object = None, *, texts: bool = True, **options: Any) -> Any:
        answer = self.client.request(method, path, body, **options)
        shown = self._outcome(answer) if texts else {"status": answer.status, "reason": answer.reason}
        self._note(method, path, body, options, shown)
        return answer.document if answer.octets.startswith(b"{") else None

    def watch(self, **options: Any) -> None:
        """All that comes of the widgets within a second."""
        query = {"timeoutSeconds": 1, **options}
        with self.client.watch(self.widgets, **query) as watch:
            events = watch.rest()
        if events and events[-1].get("type") == "BOOKMARK":  # one more before the end, from who is so kind
            events = [
                event for event in events if event["type"] != "BOOKMARK" or "annotations" in event["object"]["metadata"]
            ]
        for event in events:
            if event.get("type") == "BOOKMARK":
                event["object"]["metadata"]["resourceVersion"] = "<revision>"
        self._note("WATCH", self.widgets, None, query, {"status": watch.status, "events": self._shown(events)})

    def _note(self, method: str, path: str, body: object, options: Mapping[str, object], shown: object) -> None:
        text = f"{method} {path.replace(self.namespace, 'NS')} {dict(options) or ''} {'' if body is None else body}"
        self.played.append((_UID.sub("<uid>", text)[:400], shown))

    def _outcome(self, answer: Answer) -> dict[str, object]:
        return {
            "status": answer.status,
            "type": answer.headers.get("Content-Type"),
            "warnings": answer.warnings,
            "retry after": answer.headers.get("Retry-After"),
            "body": self._shown(answer.document if answer.octets.startswith(b"{") else answer.octets.decode()),
        }

    def _shown(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            items = [self._shown(child, name) for child in value]
            return sorted(items, key=_entry) if name == "managedFields" else items
        return self._text(value, name) if isinstance(value, str) else value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        if str(value.get("kind", "")).endswith("List") or "rows" in value:
            value = {**value, "metadata": {**value["metadata"], "resourceVersion": "<revision>"}}
        shown = {name: self._shown(child, name) for name, child in value.items()}
        if "causes" in shown:
            causes = {repr(cause): cause for cause in shown["causes"]}
            shown["causes"] = [causes[key] for key in sorted(causes)]
        if isinstance(shown.get("details"), dict) and "causes" in shown["details"] and shown.get("reason") == "Invalid":
            shown["message"] = shown["message"].partition(" is invalid: ")[0]  # the rest are the causes, in their order
        return {
            key: child
            for key, child in shown.items()
            if not (key == "details" and child == {}) and (key, child) != ("continue", "")
        }

    def _text(self, text: str, name: str) -> str:
        if name in {"uid", "resourceVersion"} and (_UID.fullmatch(text) or text.isdecimal()):
            known = self._names.setdefault(name, {})
            return known.setdefault(text, f"<{name} {len(known)}>")
        if name == "continue" and text:
            return "<token>"
        if name == "cells" and re.fullmatch(r"\d+s", text):
            return "<age>"
        text = _NOT_OFFERED.sub("", text) if name == "message" else text
        text = _REVISION.sub("<revision>", _UID.sub("<uid>", text)) if name == "message" else text
        return _TIME.sub("<time>", text.replace(self.namespace, "NS"))


def differences(real: object, ours: object, path: str = "") -> list[str]:
    """Where two answers are not the same, each with what stands there."""
    if isinstance(real, dict) and isinstance(ours, dict):
        names = dict.fromkeys([*real, *ours])
        return [
            text
            for name in names
            for text in differences(real.get(name, "(nothing)"), ours.get(name, "(nothing)"), f"{path}.{name}")
        ]
    if isinstance(real, list) and isinstance(ours, list) and len(real) == len(ours):
        pairs = enumerate(zip(real, ours, strict=True))
        return [text for index, (left, right) in pairs for text in differences(left, right, f"{path}[{index}]")]
    if real == ours and type(real) is type(ours):
        return []
    return [f"  {path}\n    kube-apiserver: {real}\n    ours:           {ours}"]


def _entry(entry: Any) -> list[str]:
    return [str(entry.get(name)) for name in ("manager", "operation", "subresource")]


def widget(name: str = "a", *, metadata: Mapping[str, object] | None = None, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "upstream.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"color": "red", **spec},
    }
