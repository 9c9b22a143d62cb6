"""A list of objects, page by page, each cut down as it comes: what is not kept is in memory for the length of a page.

- Whoever may make objects can make them huge. A page that becomes too long by them is asked for anew with fewer objects in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog

from kube.answers import LONGEST_OBJECT
from kube.cluster import Cluster
from kube.collections import Projection
from kube.documents import JsonObject, JsonValue, metadata, name_of, namespace_of, objects, resource_version_of, text
from kube.errors import AnswerTooLong, ClusterUnreachable, TooOld

PAGE = 100
"""Objects. A page is in memory as a whole, at twenty times the size of what is kept of it: with 500 pods in each, ten thousand take
33 MiB more."""
_KEPT_METADATA = ("name", "namespace", "uid", "resourceVersion")

_log = structlog.get_logger("chancery.kube.reflector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All there was, at one version."""

    objects: tuple[JsonObject, ...]
    resource_version: str


def list_objects(
    cluster: Cluster, path: str, query: Mapping[str, str], projection: Projection | None, *, page: int = PAGE
) -> Listed:
    """Starts over, without pages, where the version behind them is gone. Raises as `Cluster.get`."""
    try:
        return _gather(_pages(cluster, path, query, page), projection)
    except TooOld:
        return _gather(iter([_verified(cluster.get(path, query))]), projection)


def reduced(one: JsonObject, projection: Projection | None) -> JsonObject:
    """What is kept of an object that has its apiVersion and kind."""
    if projection is None:
        return one
    whole = metadata(one)
    try:
        kept = projection(one)
    except Exception:  # noqa: BLE001 - one object that nobody expected must not keep the others from being seen
        _log.exception("an object cannot be cut down", object=f"{text(one, 'kind')} {namespace_of(one)}/{name_of(one)}")
        kept = {}
    return {
        **kept,
        "apiVersion": text(one, "apiVersion"),
        "kind": text(one, "kind"),
        "metadata": {
            **{name: value for name, value in metadata(kept).items() if name not in _KEPT_METADATA},
            **{name: whole[name] for name in _KEPT_METADATA if name in whole},
        },
    }


def _gather(pages: Iterator[JsonObject], projection: Projection | None) -> Listed:
    found: list[JsonObject] = []
    version = ""
    for page in pages:
        version = resource_version_of(page)
        names: JsonObject = {
            "apiVersion": text(page, "apiVersion"),
            "kind": text(page, "kind").removesuffix("List"),
        }
        found += [reduced({**names, **one}, projection) for one in objects(page, "items")]
    return Listed(objects=tuple(found), resource_version=version)


def _pages(cluster: Cluster, path: str, query: Mapping[str, str], page: int) -> Iterator[JsonObject]:
    following: dict[str, str] = {}
    seen: set[str] = set()
    limit = page
    while True:
        try:
            found = _verified(cluster.get(path, {**query, "limit": str(limit), **following}, longest=LONGEST_OBJECT))
        except AnswerTooLong:
            if limit == 1:
                raise
            limit = max(1, limit // 10)
            continue
        yield found
        token = text(found, "metadata", "continue")
        if not token:
            return
        if token in seen:
            raise ClusterUnreachable("the cluster's list goes round in circles")
        seen.add(token)
        following = {"continue": token}
        limit = min(page, limit * 2)


def _verified(page: JsonObject) -> JsonObject:
    if not text(page, "kind").endswith("List"):
        raise ClusterUnreachable("the cluster's answer is no list")
    _verify(page.get("items"), resource_version_of(page))
    return page


def _verify(items: JsonValue, version: str) -> None:
    if not version:
        raise ClusterUnreachable("the cluster's list has no version")
    if items is not None and not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
        raise ClusterUnreachable("the cluster's list is no list of objects")
