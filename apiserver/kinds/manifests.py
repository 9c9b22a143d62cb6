"""Reads kinds from CustomResourceDefinition manifests (apiextensions.k8s.io/v1).

- Every fault of every file is told at once, with the file and the place in it.
- What is not supported is refused, not passed over: a manifest that loads does what it says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from apiserver.documents import JsonObject
from apiserver.errors import KindsInvalid
from apiserver.kinds.json_path import JsonPathInvalid, compile_json_path
from apiserver.kinds.kind import Column, Kind, Names
from apiserver.kinds.views import nested_differences
from apiserver.requests.names import label_faults, subdomain_faults
from apiserver.schema.acceptance import compile_acceptor
from apiserver.schema.rules import rule_faults
from apiserver.schema.structural import Schema

STORED_AS = "chancery.dev/stored-as"
"""Annotation: `<plural>.<group>` of the resource whose stored objects the kind is a view of."""

MAXIMUM_BODY = "chancery.dev/maximum-body"
"""Annotation: how large a request body may be, as a quantity (`20Mi`)."""

_DEFAULT_BODY = 3 << 20
_LARGEST_BODY = 1 << 30
_LARGEST_FILE = 4 << 20
_QUANTITY = re.compile(r"(\d{1,9})(Ki|Mi|Gi)?")
_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_COLUMN_TYPES = frozenset({"integer", "number", "string", "boolean", "date"})
_AGE = Column(
    name="Age",
    type="date",
    json_path=".metadata.creationTimestamp",
    description="When the object was created.",
)
_SPEC = frozenset({"group", "names", "scope", "versions", "conversion", "preserveUnknownFields"})
_NAMES = frozenset({"plural", "singular", "kind", "listKind", "shortNames", "categories"})
_VERSION = frozenset(
    {
        "name",
        "served",
        "storage",
        "deprecated",
        "deprecationWarning",
        "schema",
        "subresources",
        "additionalPrinterColumns",
        "selectableFields",
    }
)


@dataclass(slots=True)
class _Faults:
    """Collects faults, each with where it is."""

    place: str
    found: list[str] = field(default_factory=list)

    def add(self, path: str, what: str) -> None:
        self.found.append(f"{self.place}: {path}: {what}")

    def unknown(self, path: str, document: Mapping[str, object], known: frozenset[str]) -> None:
        for name in document:
            if name not in known:
                self.add(f"{path}.{name}", "is not known")


def load_kinds(paths: Sequence[Path]) -> tuple[Kind, ...]:
    """From files and directories (their *.yaml and *.yml). Raises KindsInvalid."""
    faults: list[str] = []
    kinds: list[Kind] = []
    for path in _files(paths, faults):
        for document in _documents(path, faults):
            collected = _Faults(str(path))
            kinds += _kinds(document, collected)
            faults += collected.found
    faults += _clashes(kinds)
    if faults:
        raise KindsInvalid(faults)
    return tuple(kinds)


def _files(paths: Sequence[Path], faults: list[str]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted({*path.glob("*.yaml"), *path.glob("*.yml")})
            if not found:
                faults.append(f"{path}: holds no *.yaml")
            yield from found
        elif path.is_file():
            yield path
        else:
            faults.append(f"{path}: there is no such file or directory")


def _documents(path: Path, faults: list[str]) -> Iterator[JsonObject]:
    if path.stat().st_size > _LARGEST_FILE:
        faults.append(f"{path}: is larger than {_LARGEST_FILE} octets")
        return
    try:
        documents = [document for document in yaml.safe_load_all(path.read_bytes()) if document is not None]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as err:
        faults.append(f"{path}: is not YAML: {' '.join(str(err).split())}")
        return
    for document in documents:
        if isinstance(document, dict):
            yield document
        else:
            faults.append(f"{path}: must hold objects")


def _kinds(document: JsonObject, faults: _Faults) -> list[Kind]:
    if document.get("apiVersion") != "apiextensions.k8s.io/v1" or document.get("kind") != "CustomResourceDefinition":
        faults.add("kind", "must be a CustomResourceDefinition of apiextensions.k8s.io/v1")
        return []
    spec, metadata = _object(document, "spec", faults), _object(document, "metadata", faults)
    faults.unknown("spec", spec, _SPEC)
    group = str(spec.get("group", ""))
    for fault in subdomain_faults(group):
        faults.add("spec.group", fault)
    names = _names(_object(spec, "names", faults), faults)
    if metadata.get("name") != f"{names.plural}.{group}":
        faults.add("metadata.name", f"must be {names.plural}.{group}")
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        faults.add("spec.scope", "must be Namespaced or Cluster")
    if spec.get("preserveUnknownFields"):
        faults.add(
            "spec.preserveUnknownFields", "must be false; say x-kubernetes-preserve-unknown-fields in the schema"
        )
    if cast("Mapping[str, object]", spec.get("conversion") or {}).get("strategy", "None") != "None":
        faults.add("spec.conversion.strategy", "must be None: versions differ in nothing but their name")
    annotations = {
        str(key): str(value) for key, value in _object(metadata, "annotations", faults, optional=True).items()
    }
    stored_as = annotations.get(STORED_AS, f"{names.plural}.{group}")
    maximum = _maximum(annotations.get(MAXIMUM_BODY), faults)
    made = []
    for index, version in enumerate(_versions(spec, faults)):
        kind = _version_kind(version, f"spec.versions[{index}]", faults)
        if kind is not None and version.get("served") is True:
            made.append(
                Kind(
                    group=group,
                    names=names,
                    namespaced=spec.get("scope") == "Namespaced",
                    storage=stored_as,
                    maximum_octets=maximum,
                    annotations=annotations,
                    **kind,
                )
            )
    return [] if faults.found else made


def _versions(spec: JsonObject, faults: _Faults) -> Sequence[JsonObject]:
    given = spec.get("versions")
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        faults.add("spec.versions", "must be a list of versions")
        return ()
    versions = cast("list[JsonObject]", given)
    if sum(version.get("storage") is True for version in versions) != 1:
        faults.add("spec.versions", "must have exactly one version marked as storage version")
    return versions


def _version_kind(version: JsonObject, path: str, faults: _Faults) -> "dict[str, Any] | None":
    """What of a Kind a version says, by the names of its fields; None where its schema has faults."""
    faults.unknown(path, version, _VERSION)
    name = str(version.get("name", ""))
    for fault in label_faults(name):
        faults.add(f"{path}.name", fault)
    schema_document = _object(_object(version, "schema", faults, path), "openAPIV3Schema", faults, f"{path}.schema")
    try:
        schema = Schema.from_openapi(schema_document)
    except KindsInvalid as err:
        for fault in err.faults:
            faults.add(f"{path}.schema", fault)
        return None
    for fault in rule_faults(schema):
        faults.add(f"{path}.schema", fault)
    subresources = _object(version, "subresources", faults, path, optional=True)
    faults.unknown(f"{path}.subresources", subresources, frozenset({"status"}))
    deprecated = version.get("deprecated") is True
    return {
        "version": name,
        "schema": schema,
        "accepts": compile_acceptor(schema),
        "openapi": schema_document,
        "description": schema.description,
        "columns": tuple(_columns(version, path, faults)),
        "selectable_fields": tuple(_selectable(version, path, faults)),
        "status": "status" in subresources,
        "opaque": frozenset(field for field, child in schema.properties.items() if child.is_opaque),
        "deprecation_warning": str(version.get("deprecationWarning") or f"{name} is deprecated") if deprecated else "",
    }


def _columns(version: JsonObject, path: str, faults: _Faults) -> Iterator[Column]:
    given = version.get("additionalPrinterColumns")
    if given is None:
        yield _AGE
        return
    for index, column in enumerate(given if isinstance(given, list) else [given]):
        place = f"{path}.additionalPrinterColumns[{index}]"
        if not isinstance(column, dict):
            faults.add(place, "must be an object")
            continue
        text = str(column.get("jsonPath", ""))
        _verify_json_path(text, f"{place}.jsonPath", faults)
        if column.get("type") not in _COLUMN_TYPES:
            faults.add(f"{place}.type", f"must be one of {', '.join(sorted(_COLUMN_TYPES))}")
        if not column.get("name"):
            faults.add(f"{place}.name", "is required")
        priority = column.get("priority", 0)
        yield Column(
            name=str(column.get("name", "")),
            type=str(column.get("type", "")),
            json_path=text,
            format=str(column.get("format", "")),
            description=str(column.get("description", "")),
            priority=priority if isinstance(priority, int) else 0,
        )


def _selectable(version: JsonObject, path: str, faults: _Faults) -> Iterator[str]:
    given = version.get("selectableFields") or []
    for index, one in enumerate(given if isinstance(given, list) else [given]):
        text = str(one.get("jsonPath", "")) if isinstance(one, dict) else ""
        _verify_json_path(text, f"{path}.selectableFields[{index}].jsonPath", faults)
        if text.startswith(".metadata"):
            faults.add(f"{path}.selectableFields[{index}].jsonPath", "must not name a field of metadata")
        yield text


def _verify_json_path(text: str, place: str, faults: _Faults) -> None:
    try:
        compile_json_path(text)
    except JsonPathInvalid as err:
        faults.add(place, str(err))


def _names(document: JsonObject, faults: _Faults) -> Names:
    faults.unknown("spec.names", document, _NAMES)
    for name in ("plural", "kind"):
        if not document.get(name):
            faults.add(f"spec.names.{name}", "is required")
    plural, kind = str(document.get("plural", "")), str(document.get("kind", ""))
    for fault in label_faults(plural):
        faults.add("spec.names.plural", fault)
    return Names(
        plural=plural,
        singular=str(document.get("singular") or kind.lower()),
        kind=kind,
        list_kind=str(document.get("listKind") or f"{kind}List"),
        short_names=_texts(document.get("shortNames"), "spec.names.shortNames", faults),
        categories=_texts(document.get("categories"), "spec.names.categories", faults),
    )


def _clashes(kinds: Sequence[Kind]) -> Iterator[str]:
    """What no single manifest shows."""
    seen: dict[tuple[str, ...], Kind] = {}
    for kind in kinds:
        for what, name in (("resource", kind.names.plural), ("kind", kind.names.kind)):
            key = (what, kind.group, kind.version, name)
            if key in seen:
                yield f"{kind.api_version}: the {what} {name} is defined twice"
            seen[key] = kind
        views = [other for other in seen.values() if other.storage == kind.storage and other is not kind]
        for other in dict.fromkeys(id(view) for view in views):
            view = next(one for one in views if id(one) == other)
            if view.namespaced != kind.namespaced:
                yield f"{kind.api_version} {kind.names.kind}: differs in scope from {view.api_version} {view.names.kind}"
            for path in nested_differences(kind.schema, view.schema):
                yield (
                    f"{kind.api_version} {kind.names.kind}: {path} is not known to both it and {view.api_version} "
                    f"{view.names.kind}, which show the same objects; below the top level they must agree"
                )


def _maximum(text: str | None, faults: _Faults) -> int:
    if text is None:
        return _DEFAULT_BODY
    match = _QUANTITY.fullmatch(text)
    octets = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < octets <= _LARGEST_BODY:
        faults.add(f"metadata.annotations[{MAXIMUM_BODY}]", "must be a quantity up to 1Gi, such as 20Mi")
    return octets


def _texts(value: object, path: str, faults: _Faults) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        faults.add(path, "must be a list of texts")
        return ()
    return tuple(value)


def _object(document: JsonObject, name: str, faults: _Faults, path: str = "", *, optional: bool = False) -> JsonObject:
    value = document.get(name)
    if isinstance(value, dict):
        return value
    if not optional or value is not None:
        faults.add(f"{path}.{name}" if path else name, "must be an object")
    return {}
