"""Discovery documents, made once: legacy (APIGroupList, APIGroup, APIResourceList) and aggregated (apidiscovery.k8s.io).

- The aggregator asks for the aggregated form alone and takes nothing else; old clients know only the legacy one.
- A document has an ETag; who holds it is told that it is the same (304).
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.kind import ALL_VERBS, Kind

_STATUS_VERBS = ("get", "patch", "update")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
AGGREGATED_VERSIONS = ("v2", "v2beta1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`etag` is quoted; "" where the document has none."""

    content_type: str
    octets: bytes
    etag: str = ""


class DiscoveryDocuments:
    """By path."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._aggregated = {version: _aggregated(catalogue, version) for version in AGGREGATED_VERSIONS}
        self._legacy: dict[str, Document] = {
            "/api": _json({"kind": "APIVersions", "versions": [], "serverAddressByClientCIDRs": []}),
            "/apis": _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(catalogue)}),
        }
        for group in _groups(catalogue):
            self._legacy[f"/apis/{group['name']}"] = _json({"kind": "APIGroup", "apiVersion": "v1", **group})
        for name, versions in catalogue.groups.items():
            for version in versions:
                self._legacy[f"/apis/{name}/{version}"] = _json(_resource_list(catalogue, name, version))

    @property
    def paths(self) -> Sequence[str]:
        return tuple(self._legacy)

    def find(self, path: str, accept: str) -> Document:
        """`path` is one of `paths`. The aggregated form where it is asked for by name, there where it exists."""
        if path in {"/api", "/apis"}:
            for part in accept.split(","):
                pieces = {piece.strip() for piece in part.split(";")}
                if not {"g=apidiscovery.k8s.io", "as=APIGroupDiscoveryList"} <= pieces:
                    if {"application/json", "*/*"} & pieces:
                        break
                    continue
                for version in AGGREGATED_VERSIONS:
                    if f"v={version}" in pieces and "application/json" in pieces:
                        return self._aggregated[version] if path == "/apis" else _EMPTY[version]
        return self._legacy[path]


def _groups(catalogue: Catalogue) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "versions": [_version(name, version) for version in versions],
            "preferredVersion": _version(name, versions[0]),
        }
        for name, versions in catalogue.groups.items()
    ]


def _version(group: str, version: str) -> Mapping[str, str]:
    return {"groupVersion": f"{group}/{version}", "version": version}


def _resource_list(catalogue: Catalogue, group: str, version: str) -> Mapping[str, object]:
    resources: list[Mapping[str, object]] = []
    for kind in catalogue.of_version(group, version):
        resources.append(_resource(kind))
        if kind.status:
            resources.append(
                {
                    "name": f"{kind.names.plural}/status",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "kind": kind.names.kind,
                    "verbs": _STATUS_VERBS,
                }
            )
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}",
        "resources": resources,
    }


def _resource(kind: Kind) -> Mapping[str, object]:
    optional = {"shortNames": kind.names.short_names, "categories": kind.names.categories}
    return {
        "name": kind.names.plural,
        "singularName": kind.names.singular,
        "namespaced": kind.namespaced,
        "kind": kind.names.kind,
        "verbs": ALL_VERBS,
        **{name: value for name, value in optional.items() if value},
        "storageVersionHash": _storage_version_hash(kind),
    }


def _aggregated(catalogue: Catalogue, version: str) -> Document:
    items = [
        {
            "metadata": {"name": name},
            "versions": [
                {
                    "version": one,
                    "resources": [_aggregated_resource(kind) for kind in catalogue.of_version(name, one)],
                    "freshness": "Current",
                }
                for one in versions
            ],
        }
        for name, versions in catalogue.groups.items()
    ]
    return _aggregated_list(version, items)


def _aggregated_resource(kind: Kind) -> Mapping[str, object]:
    response_kind = {"group": kind.group, "version": kind.version, "kind": kind.names.kind}
    optional: dict[str, object] = {}
    if kind.names.short_names:
        optional["shortNames"] = kind.names.short_names
    if kind.names.categories:
        optional["categories"] = kind.names.categories
    if kind.status:
        optional["subresources"] = [{"subresource": "status", "responseKind": response_kind, "verbs": _STATUS_VERBS}]
    return {
        "resource": kind.names.plural,
        "responseKind": response_kind,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.names.singular,
        "verbs": ALL_VERBS,
        **optional,
    }


def _aggregated_list(version: str, items: Sequence[object]) -> Document:
    document = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }
    octets = orjson.dumps(document)
    return Document(
        content_type=_AGGREGATED.format(version=version),
        octets=octets,
        etag=f'"{hashlib.sha512(octets).hexdigest().upper()}"',
    )


def _json(document: Mapping[str, object]) -> Document:
    return Document(content_type="application/json", octets=orjson.dumps(document))


def _storage_version_hash(kind: Kind) -> str:
    """Changes when objects are stored as another kind (k8s.io/apiserver discovery.StorageVersionHash)."""
    digest = hashlib.sha256(f"{kind.group}/{kind.storage_version}/{kind.names.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


_EMPTY: Mapping[str, Document] = {version: _aggregated_list(version, []) for version in AGGREGATED_VERSIONS}
