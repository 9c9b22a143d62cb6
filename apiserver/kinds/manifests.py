"""Reads kinds from CustomResourceDefinition manifests (apiextensions.k8s.io/v1).

- Every fault of every file is told at once, with the file and the place in it.
- What is not supported is refused, not passed over: a manifest that loads does what it says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apiserver.documents import JsonObject
from apiserver.errors import KindsInvalid
from apiserver.kinds.body_limits import DEFAULT_BODY, MAXIMUM_BODY, parse_octets
from apiserver.kinds.catalogue import precedence
from apiserver.kinds.clashes import clashes
from apiserver.kinds.faults import Faults
from apiserver.kinds.kind import Kind, Names
from apiserver.kinds.manifest_files import read_manifests
from apiserver.kinds.versions import Version, read_version
from apiserver.requests.names import subdomain_faults
from apiserver.schema.acceptance import compile_acceptor
from apiserver.schema.labels import mixed_case_faults, rfc1035_faults

STORED_AS = "chancery.dev/stored-as"
"""Annotation: `<plural>.<group>` of the resource whose stored objects the kind is a view of."""

_OURS = "chancery.dev/"
_TOP = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_SPEC = frozenset({"group", "names", "scope", "versions", "conversion", "preserveUnknownFields"})
_NAMES = frozenset({"plural", "singular", "kind", "listKind", "shortNames", "categories"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotations:
    all: Mapping[str, str]
    stored_as: str
    maximum_octets: int


def load_kinds(paths: Sequence[Path]) -> tuple[Kind, ...]:
    """From files and directories (their *.yaml and *.yml). Raises KindsInvalid."""
    faults: list[str] = []
    kinds: list[Kind] = []
    first: dict[str, str] = {}
    for manifest in read_manifests(paths, faults):
        collected = Faults(manifest.place)
        kinds += _kinds(manifest.document, collected)
        metadata = manifest.document.get("metadata")
        resource = metadata.get("name") if isinstance(metadata, dict) else None
        if isinstance(resource, str):
            if resource in first:
                collected.add("metadata.name", f"{resource} is defined in {first[resource]}, too")
            first[resource] = manifest.place
        faults += collected.found
    faults += clashes(kinds)
    if faults:
        raise KindsInvalid(faults)
    return tuple(kinds)


def _kinds(document: JsonObject, faults: Faults) -> list[Kind]:
    if document.get("apiVersion") != "apiextensions.k8s.io/v1" or document.get("kind") != "CustomResourceDefinition":
        faults.add("kind", "must be a CustomResourceDefinition of apiextensions.k8s.io/v1")
        return []
    faults.unknown("", document, _TOP)
    metadata, spec = faults.object(document, "metadata", ""), faults.object(document, "spec", "")
    faults.unknown("spec", spec, _SPEC)
    group = _group(spec, faults)
    names = _names(faults.object(spec, "names", "spec"), faults)
    resource = f"{names.plural}.{group}"
    if metadata.get("name") != resource:
        faults.add("metadata.name", f"must be spec.names.plural+'.'+spec.group: {resource}")
    scope = faults.text(spec, "scope", "spec")
    if scope and scope not in {"Namespaced", "Cluster"}:
        faults.add("spec.scope", "must be Namespaced or Cluster")
    _verify_conversion(spec, faults)
    annotations = _annotations(metadata, resource, faults)
    versions = list(_versions(spec, group, names.kind, faults))
    stored = next((one.name for one in versions if one is not None and one.stored), "")
    made = [
        Kind(
            group=group,
            version=version.name,
            names=names,
            namespaced=scope == "Namespaced",
            storage=annotations.stored_as,
            storage_version=stored,
            schema=version.schema,
            accepts=compile_acceptor(version.schema),
            openapi=version.openapi,
            columns=version.columns,
            selectable_fields=version.selectable_fields,
            status=version.status,
            maximum_octets=annotations.maximum_octets,
            opaque=frozenset(name for name, child in version.schema.properties.items() if child.is_opaque),
            deprecation_warning=version.deprecation_warning,
            description=version.schema.description,
            annotations=annotations.all,
        )
        for version in versions
        if version is not None and version.served
    ]
    return [] if faults.found else made


def _versions(spec: JsonObject, group: str, kind: str, faults: Faults) -> Iterator[Version | None]:
    versions = faults.objects(spec, "versions", "spec")
    if not versions:
        faults.add("spec.versions", "must have at least one version")
        return
    if sum(version.get("storage") is True for version in versions) != 1:
        faults.add("spec.versions", "must have exactly one version marked as storage version")
    names = [str(version.get("name")) for version in versions]
    if len(set(names)) < len(names):
        faults.add("spec.versions", "must contain unique version names")
    for index, version in enumerate(versions):
        named = f"{group}/{version.get('name')} {kind}"
        better = _successor(version, versions)
        instead = f"; use {group}/{better} {kind}" if better else ""
        yield read_version(version, f"spec.versions[{index}]", f"{named} is deprecated{instead}", faults)


def _successor(version: JsonObject, versions: Sequence[JsonObject]) -> str:
    """The best of the served versions that are better than `version` and not deprecated; "" where there is none."""
    names = [
        str(other.get("name"))
        for other in versions
        if other.get("served") is True and other.get("deprecated") is not True
    ]
    return min(
        (name for name in names if precedence(name) < precedence(str(version.get("name")))), key=precedence, default=""
    )


def _group(spec: JsonObject, faults: Faults) -> str:
    group = faults.text(spec, "group", "spec")
    if group and "." not in group:
        faults.add("spec.group", "should be a domain with at least one dot")
    for fault in subdomain_faults(group) if group else ():
        faults.add("spec.group", fault)
    return group


def _names(document: JsonObject, faults: Faults) -> Names:
    path = "spec.names"
    faults.unknown(path, document, _NAMES)
    plural, kind = faults.text(document, "plural", path), faults.text(document, "kind", path)
    names = Names(
        plural=plural,
        singular=faults.text(document, "singular", path, optional=True) or kind.lower(),
        kind=kind,
        list_kind=faults.text(document, "listKind", path, optional=True) or f"{kind}List",
        short_names=faults.texts(document, "shortNames", path),
        categories=faults.texts(document, "categories", path),
    )
    labels = [("plural", names.plural), ("singular", names.singular)]
    labels += [(f"shortNames[{index}]", name) for index, name in enumerate(names.short_names)]
    labels += [(f"categories[{index}]", name) for index, name in enumerate(names.categories)]
    for name, label in labels:
        for fault in rfc1035_faults(label) if label else ():
            faults.add(f"{path}.{name}", fault)
    for name, mixed in (("kind", names.kind), ("listKind", names.list_kind)):
        for fault in mixed_case_faults(mixed) if kind else ():
            faults.add(f"{path}.{name}", fault)
    if kind and names.kind == names.list_kind:
        faults.add(f"{path}.listKind", "kind and listKind may not be the same")
    return names


def _verify_conversion(spec: JsonObject, faults: Faults) -> None:
    if faults.truth(spec, "preserveUnknownFields", "spec", optional=True):
        faults.add(
            "spec.preserveUnknownFields", "must be false; say x-kubernetes-preserve-unknown-fields in the schema"
        )
    conversion = faults.object(spec, "conversion", "spec", optional=True)
    faults.unknown("spec.conversion", conversion, {"strategy"})
    if conversion.get("strategy", "None") != "None":
        faults.add("spec.conversion.strategy", "must be None: versions differ in nothing but their name")


def _annotations(metadata: JsonObject, resource: str, faults: Faults) -> _Annotations:
    path = "metadata.annotations"
    given = faults.object(metadata, "annotations", "metadata", optional=True)
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    for name in given.keys() - texts.keys():
        faults.add(f"{path}[{name}]", "must be a text")
    for name in given:
        if name.startswith(_OURS) and name not in {STORED_AS, MAXIMUM_BODY}:
            faults.add(f"{path}[{name}]", "is not known")
    stored_as = texts.get(STORED_AS, resource)
    if subdomain_faults(stored_as) or "." not in stored_as:
        faults.add(f"{path}[{STORED_AS}]", "must be the plural and the group of a resource, such as things.example.com")
    octets = DEFAULT_BODY
    try:
        octets = parse_octets(texts[MAXIMUM_BODY]) if MAXIMUM_BODY in texts else DEFAULT_BODY
    except ValueError as err:
        faults.add(f"{path}[{MAXIMUM_BODY}]", str(err))
    return _Annotations(all=texts, stored_as=stored_as, maximum_octets=octets)
