"""Secrets of the authority's own namespace (core/v1): read, made where there is none, replaced only as they were read.

- What others wrote into such an object, labels for instance, stays there.
- Of several who make or replace one at the same time a single one succeeds; the others are told, and read again.
- Calls block, for as long as the patience says.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from ca.cluster.connection import ClusterConnection
from ca.cluster.faults import NoAnswer, NotThere, Occupied
from ca.errors import ClusterRefused, ClusterUnavailable, SecretMalformed
from serving.records import read_by_threads

T = TypeVar("T")

_MANAGED_BY = "app.kubernetes.io/managed-by"


class _Metadata(msgspec.Struct):
    name: str
    annotations: dict[str, str] | None = None


@read_by_threads
class _Form(msgspec.Struct):
    kind: Literal["Secret"]
    metadata: _Metadata
    data: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """`document` is the whole object, as the API server gave it."""

    name: str
    data: Mapping[str, bytes] = field(repr=False)
    annotations: Mapping[str, str]
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, octets: bytes) -> "Secret":
        """Raises ClusterUnavailable for what is no Secret, SecretMalformed for values that are no base64."""
        try:
            document = msgspec.json.decode(octets, type=dict[str, Any])
            form = msgspec.convert(document, _Form)
        except (msgspec.MsgspecError, UnicodeDecodeError) as err:
            raise ClusterUnavailable(f"the cluster's answer is no Secret: {err}") from err
        name = form.metadata.name
        try:
            data = {key: base64.b64decode(value, validate=True) for key, value in (form.data or {}).items()}
        except (binascii.Error, ValueError) as err:
            raise SecretMalformed(f"Secret {name} holds what is not base64") from err
        return cls(name=name, data=data, annotations=form.metadata.annotations or {}, document=document)

    def replacement(self, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> Mapping[str, Any]:
        """The same object with these entries, its resourceVersion included: it replaces this one and no later one."""
        metadata = dict(self.document["metadata"]) | {"annotations": {**self.annotations, **annotations}}
        return {**self.document, "metadata": metadata, "data": _encoded({**self.data, **data})}


class SecretStore(Protocol):
    """Each call is durable once it returns. All raise ClusterUnavailable and ClusterRefused; what they read, SecretMalformed."""

    def get(self, name: str) -> Secret | None: ...

    def create(self, name: str, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        """Raises Occupied where there is one."""

    def replace(self, read: Secret, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        """Adds these entries to what was read. Raises Occupied where it is no longer so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`pause` before the first repetition, doubled for each that follows; in seconds."""

    attempts: int
    pause: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSecrets:
    """The Secrets of one namespace, asked of the API server. `sleep` takes seconds."""

    connection: ClusterConnection
    namespace: str
    patience: Patience
    sleep: Callable[[float], None]

    def get(self, name: str) -> Secret | None:
        try:
            answer = self._ask(lambda: self.connection.get(self._path(name)))
        except NotThere:
            return None
        return Secret.from_json(answer)

    def create(self, name: str, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {_MANAGED_BY: "chancery"},
                "annotations": dict(annotations),
            },
            "type": "Opaque",
            "data": _encoded(data),
        }
        self._ask(lambda: self.connection.post(self._path(), document))

    def replace(self, read: Secret, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        try:
            self._ask(lambda: self.connection.put(self._path(read.name), read.replacement(data, annotations)))
        except NotThere as err:
            raise Occupied(f"Secret {self.namespace}/{read.name} was deleted meanwhile") from err

    def _path(self, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets" + (f"/{name}" if name else "")

    def _ask(self, question: Callable[[], T]) -> T:
        """A request that was answered into the void may have succeeded: its repetition is told so by Occupied."""
        pause = self.patience.pause
        for _ in range(self.patience.attempts - 1):
            try:
                return question()
            except NoAnswer as err:
                if not err.again:
                    raise _final(err) from err
            self.sleep(pause)
            pause *= 2
        try:
            return question()
        except NoAnswer as err:
            raise _final(err) from err


def _final(failure: NoAnswer) -> Exception:
    if isinstance(failure, Occupied):
        return failure
    if failure.again:
        return ClusterUnavailable(str(failure))
    return ClusterRefused(f"{failure}; docs/kubernetes.md lists the rights that the authority needs")


def _encoded(data: Mapping[str, bytes]) -> Mapping[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}
