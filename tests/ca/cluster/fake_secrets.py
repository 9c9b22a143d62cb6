"""A namespace of Secrets and Events in memory, with the API server's rules about versions, and what a test lets others do to it."""

import base64
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ca.cluster.faults import NoAnswer, NotThere, Occupied
from ca.cluster.secrets import ClusterSecrets, Patience
from tests.ca.cluster.api_server import Asked

NAMESPACE = "chancery"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"


@dataclass(slots=True)
class FakeSecrets:
    """Has the methods of a `ClusterConnection`, and answers as a `FakeApiServer` does."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failures: list[NoAnswer] = field(default_factory=list)
    """Raised one after the other, instead of an answer."""
    lost: list[NoAnswer] = field(default_factory=list)
    """Raised instead of an answer to a write that was made."""
    interlude: dict[str, Callable[[], object]] = field(default_factory=dict)
    """By method: what another does just before the next such request arrives."""
    naps: list[float] = field(default_factory=list)
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def store(self, attempts: int = 3) -> ClusterSecrets:
        return ClusterSecrets(
            connection=self,  # type: ignore[arg-type]  # has its methods
            namespace=NAMESPACE,
            patience=Patience(attempts=attempts),
            sleep=self.naps.append,
        )

    def put_there(self, name: str, data: Mapping[str, bytes] | None, **annotations: str) -> None:
        """As somebody else would."""
        encoded = None if data is None else {key: base64.b64encode(value).decode() for key, value in data.items()}
        self._keep(
            {"kind": "Secret", "metadata": {"name": name, "annotations": dict(annotations)}}
            | ({} if encoded is None else {"data": encoded})
        )

    def start_after(self, version: int) -> None:
        """Versions that what was copied here has had are not given again."""
        self._versions = itertools.count(version + 1)

    def value(self, name: str, key: str) -> bytes:
        return base64.b64decode(self.objects[name]["data"][key])

    def annotations(self, name: str) -> dict[str, str]:
        return dict(self.objects[name]["metadata"]["annotations"])

    def get(self, path: str) -> bytes:
        self._arrives("GET")
        name = path.removeprefix(f"{SECRETS}/")
        if name not in self.objects:
            raise NotThere(path)
        return msgspec.json.encode(self.objects[name])

    def post(self, path: str, document: Mapping[str, Any]) -> bytes:
        self._arrives("POST")
        kept = self.events if path == EVENTS else self.objects
        name = document["metadata"]["name"]
        if name in kept:
            raise Occupied(path)
        kept[name] = self._keep(document) if kept is self.objects else dict(document)
        self._answers()
        return b"{}"

    def put(self, path: str, document: Mapping[str, Any]) -> bytes:
        self._arrives("PUT")
        name = path.removeprefix(f"{SECRETS}/")
        if name not in self.objects:
            raise NotThere(path)
        if document["metadata"]["resourceVersion"] != self.objects[name]["metadata"]["resourceVersion"]:
            raise Occupied(path)
        self._keep(document)
        self._answers()
        return b"{}"

    def close(self) -> None:
        return

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """For `FakeApiServer.answer`."""
        try:
            match asked.method:
                case "GET":
                    return 200, self.get(asked.path)
                case "POST":
                    return 201, self.post(asked.path, asked.body)
                case _:
                    return 200, self.put(asked.path, asked.body)
        except NotThere:
            return 404, {"kind": "Status", "code": 404}
        except Occupied:
            return 409, {"kind": "Status", "code": 409}
        except NoAnswer as err:
            return (503 if err.again else 403), {"kind": "Status"}

    def _arrives(self, method: str) -> None:
        self.asked.append(method)
        interlude = self.interlude.pop(method, None)
        if interlude is not None:
            interlude()
        if self.failures:
            raise self.failures.pop(0)

    def _answers(self) -> None:
        if self.lost:
            raise self.lost.pop(0)

    def _keep(self, document: Mapping[str, Any]) -> dict[str, Any]:
        metadata = dict(document["metadata"]) | {"resourceVersion": str(next(self._versions))}
        self.objects[metadata["name"]] = {**document, "metadata": metadata}
        return self.objects[metadata["name"]]
