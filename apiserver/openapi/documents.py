"""OpenAPI documents, made once: version 3 for each group and version, and one of version 2 for old clients.

- `/openapi/v3` names each document with its hash; under that hash it never changes, under another one the caller is sent on.
"""

import hashlib
from collections.abc import Mapping

import orjson

from apiserver.discovery.documents import Document
from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.kind import Kind
from apiserver.openapi.definitions import META_DEFINITIONS, PREFIX, Json, ref
from apiserver.openapi.operations import path_items
from apiserver.openapi.publishing import published_object
from apiserver.openapi.version2 import swagger

_JSON = "application/json"


class OpenApiDocuments:
    """`version3` by what follows `/openapi/v3/` in a path; `root` is the table of them, `version2` all in one."""

    def __init__(self, catalogue: Catalogue, *, program_version: str) -> None:
        documents = {
            f"apis/{group}/{version}": _document(catalogue, group, version, program_version)
            for group, versions in catalogue.groups.items()
            for version in versions
        }
        self.version3: Mapping[str, Document] = {path: _encoded(document) for path, document in documents.items()}
        self.root = _encoded(
            {
                "paths": {
                    path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash_of(path)}"} for path in documents
                }
            }
        )
        self.version2 = _encoded(swagger(list(documents.values()), program_version))

    def hash_of(self, path: str) -> str:
        return self.version3[path].etag.strip('"')


def definition_name(kind: Kind) -> str:
    """`io.wgpolicyk8s.v1alpha2.PolicyReport`, the group's name backwards, as CustomResourceDefinitions are named."""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.names.kind])


def _document(catalogue: Catalogue, group: str, version: str, program_version: str) -> Json:
    schemas: Json = {f"{PREFIX}.{name}": definition for name, definition in META_DEFINITIONS.items()}
    paths: Json = {}
    for kind in catalogue.of_version(group, version):
        name = definition_name(kind)
        list_name = name.removesuffix(kind.names.kind) + kind.names.list_kind
        schemas[name] = _object_schema(kind)
        schemas[list_name] = _list_schema(kind, name)
        paths |= path_items(kind, name, list_name)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Chancery", "version": program_version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _object_schema(kind: Kind) -> Json:
    return {
        **published_object(kind.openapi),
        "x-kubernetes-group-version-kind": [_gvk(kind, kind.names.kind)],
        **_selectable(kind),
    }


def _selectable(kind: Kind) -> Json:
    paths = [{"fieldPath": path.removeprefix(".")} for path in kind.selectable_fields]
    return {"x-kubernetes-selectable-fields": paths} if paths else {}


def _list_schema(kind: Kind, name: str) -> Json:
    return {
        "type": "object",
        "description": f"A list of {kind.names.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the schema of this list."},
            "kind": {"type": "string", "description": "Kind of this list."},
            "metadata": {"description": "What every list has.", "allOf": [ref("ListMeta")]},
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": {"$ref": f"#/components/schemas/{name}"},
            },
        },
        "x-kubernetes-group-version-kind": [_gvk(kind, kind.names.list_kind)],
        **_selectable(kind),
    }


def _gvk(kind: Kind, name: str) -> Mapping[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": name}


def _encoded(document: Mapping[str, object]) -> Document:
    octets = orjson.dumps(document)
    return Document(content_type=_JSON, octets=octets, etag=f'"{hashlib.sha512(octets).hexdigest().upper()}"')
