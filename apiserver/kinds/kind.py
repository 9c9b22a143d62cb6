"""A kind in one version, as the API serves it.

- Made from a CustomResourceDefinition by `apiserver.kinds.manifests`; nothing else makes one.
- Kinds that share `storage` are views of the same stored objects: versions of one group, or one report under several groups.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from apiserver.documents import JsonObject
from apiserver.errors import Subject
from apiserver.kinds.body_limits import DEFAULT_BODY
from apiserver.schema.structural import Schema

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """spec.names of a CustomResourceDefinition."""

    plural: str
    singular: str
    kind: str
    list_kind: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One of additionalPrinterColumns. `json_path` as written (`.summary.pass`); `type`: integer, number, string, boolean, date."""

    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`openapi` is the openAPIV3Schema as written, for documents; `schema` the same, parsed; `accepts` the same, compiled
    (`apiserver.schema.acceptance`).

    `maximum_octets` bounds a request body. `status` says that there is a /status subresource. `opaque` are the top-level fields
    that are stored as they come (x-kubernetes-preserve-unknown-fields and x-kubernetes-map-type: atomic, nothing declared below).
    `selectable_fields` are JSONPaths (`.spec.color`) that field selectors may name. `storage_version` is which of the resource's
    versions is said to be stored.
    """

    group: str
    version: str
    names: Names
    namespaced: bool
    storage: str
    storage_version: str
    schema: Schema
    accepts: Callable[[JsonObject], bool]
    openapi: Mapping[str, object]
    columns: tuple[Column, ...] = ()
    selectable_fields: tuple[str, ...] = ()
    status: bool = False
    maximum_octets: int = DEFAULT_BODY
    opaque: frozenset[str] = frozenset()
    deprecation_warning: str = ""
    description: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    @property
    def projected_paths(self) -> tuple[str, ...]:
        """JSONPaths whose values are kept beside the metadata."""
        wanted = [column.json_path for column in self.columns if not column.json_path.startswith(".metadata")]
        return tuple(dict.fromkeys([*wanted, *self.selectable_fields]))

    @property
    def merges_strategically(self) -> bool:
        """Whether its schema says how lists are merged, so that a strategic merge patch has a meaning."""
        return self.schema.bears_patch_strategies

    def subject(self, name: str = "", uid: str = "") -> Subject:
        """Names an object by its resource."""
        return Subject(name=name, group=self.group, kind=self.names.plural, uid=uid)

    def kind_subject(self, name: str = "") -> Subject:
        """Names an object by its Kind, as `Invalid` does."""
        return Subject(name=name, group=self.group, kind=self.names.kind)

    def stamp(self, document: JsonObject) -> JsonObject:
        """A copy that says which kind it is."""
        return {**document, "apiVersion": self.api_version, "kind": self.names.kind}
