"""Looks into the cluster that never raise: what there is, or why it was not seen.

- What was asked for once is remembered: one examination sees the cluster at one time, as far as that goes.
- An API server that stops answering on the way is not waited for again and again: after some seconds of that nothing more is asked.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

from kube.cluster import Cluster
from kube.collections import Resource
from kube.documents import JsonObject, name_of, objects
from kube.errors import ClusterUnreachable, Forbidden, KubeError, NotThere
from kube.listing import list_objects

PATIENCE_SECONDS = 15.0
METADATA_ALONE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """`is_denied` is so where RBAC does not let us look."""

    why: str
    is_denied: bool = False


class Looker:
    """Used by one thread."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._listed: dict[tuple[str, tuple[tuple[str, str], ...]], Sequence[JsonObject] | Unseen] = {}
        self._lost_seconds = 0.0

    @property
    def has_given_up(self) -> bool:
        return self._lost_seconds > PATIENCE_SECONDS

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Raises KubeError; counts the time in which no answer came."""
        if self.has_given_up:
            raise ClusterUnreachable("it stopped answering; nothing more was asked")
        began = time.monotonic()
        try:
            yield
        except ClusterUnreachable:
            self._lost_seconds += time.monotonic() - began
            raise

    def all_of(
        self, resource: Resource, namespace: str = "", query: Mapping[str, str] | None = None
    ) -> Sequence[JsonObject] | Unseen:
        """A kind that the API server does not know has no objects."""
        path, wanted = resource.path(namespace or None), dict(query or {})
        key = (path, tuple(sorted(wanted.items())))
        if key not in self._listed:
            self._listed[key] = self._list(path, wanted)
        return self._listed[key]

    def names_alone(self, resource: Resource, namespace: str) -> Sequence[JsonObject] | Unseen:
        """Metadata of what is none of our business otherwise, as Secrets are."""
        try:
            with self._asking():
                answer = self.cluster.fetch(resource.path(namespace), accept=METADATA_ALONE)
            return objects(orjson.loads(answer.octets), "items")
        except KubeError as err:
            return _unseen(err)

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | Unseen | None:
        """None where there is none."""
        if not name:
            return None
        try:
            with self._asking():
                return self.cluster.get(resource.path(namespace or None, name))
        except NotThere:
            return None
        except KubeError as err:
            return _unseen(err)
        except ValueError as err:  # a name that somebody else wrote
            return Unseen(why=str(err))

    def may(self, resource: Resource, spec: JsonObject) -> bool | Unseen:
        """An access review, of either kind."""
        try:
            with self._asking():
                answer = self.cluster.create(
                    resource.path(), {"apiVersion": resource.api_version, "kind": _KINDS[resource.plural], "spec": spec}
                )
        except KubeError as err:
            return _unseen(err)
        status = answer.get("status")
        return isinstance(status, dict) and status.get("allowed") is True

    def _list(self, path: str, query: Mapping[str, str]) -> Sequence[JsonObject] | Unseen:
        try:
            with self._asking():
                return list_objects(self.cluster, path, query, None).objects
        except NotThere:
            return ()
        except KubeError as err:
            return _unseen(err)


_KINDS = {"selfsubjectaccessreviews": "SelfSubjectAccessReview", "subjectaccessreviews": "SubjectAccessReview"}


def seen(found: Sequence[JsonObject] | Unseen) -> Sequence[JsonObject]:
    """What was seen; nothing where nothing was."""
    return () if isinstance(found, Unseen) else found


def by_name(found: Sequence[JsonObject] | Unseen) -> dict[str, JsonObject] | None:
    return None if isinstance(found, Unseen) else {name_of(one): one for one in found}


def _unseen(err: KubeError) -> Unseen:
    return Unseen(why=str(err), is_denied=isinstance(err, Forbidden))
