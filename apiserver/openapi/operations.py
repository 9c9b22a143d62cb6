"""Operations of a kind, as OpenAPI 3 path items: parameters, bodies, answers, and what clients look for beside them."""

from collections.abc import Mapping, Sequence

from apiserver.kinds.kind import Kind
from apiserver.openapi.definitions import Json, ref

_JSON, _YAML = "application/json", "application/yaml"

_ERRORS: Mapping[str, str] = {
    "400": "The request cannot be understood.",
    "401": "Nobody knows who asks.",
    "403": "The caller may not.",
    "404": "There is no such thing.",
    "405": "The method is not for this path.",
    "406": "Nothing that the caller takes can be given.",
    "409": "It is there already, or has changed meanwhile.",
    "410": "That version is gone; start over.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not taken.",
    "422": "Fields are invalid.",
    "429": "Too many requests; come back later.",
    "500": "The server failed.",
    "503": "The server cannot, at present.",
    "504": "It took too long.",
}

_READ = ("400", "401", "403", "404", "405", "406", "410", "429", "500", "503", "504")
_LIST = (*_READ, "422")  # options that exclude each other
_WRITE = ("400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429", "500", "503", "504")
_DELETE_LISTED = (*_WRITE, "410")


def _query(name: str, kind: str, description: str, **schema: object) -> Json:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": kind, "uniqueItems": True, **schema},
    }


_PRETTY = _query("pretty", "string", "Indent the answer.")
_DRY_RUN = _query("dryRun", "string", "`All`: change nothing.", enum=["All"])
_FIELD_MANAGER = _query("fieldManager", "string", "Who will manage the fields.", maxLength=128)
_FIELD_VALIDATION = _query(
    "fieldValidation", "string", "What becomes of unknown fields.", enum=["Ignore", "Warn", "Strict"]
)
_FORCE = _query("force", "boolean", "Take fields that others manage; for apply alone.")
_LIST_PARAMETERS = (
    _query("allowWatchBookmarks", "boolean", "Send bookmarks in a watch."),
    _query("continue", "string", "Where to go on with a list."),
    _query("fieldSelector", "string", "Select by fields."),
    _query("labelSelector", "string", "Select by labels."),
    _query("limit", "integer", "Most objects of one answer; without effect where it is not positive."),
    _query("resourceVersion", "string", "The version that is asked for."),
    _query("resourceVersionMatch", "string", "How resourceVersion is meant.", enum=["Exact", "NotOlderThan"]),
    _query("sendInitialEvents", "boolean", "Begin a watch with all that there is."),
    _query("timeoutSeconds", "integer", "How long a watch lives; without effect where it is not positive."),
    _query("watch", "boolean", "Watch for changes instead of listing."),
)
_WRITE_PARAMETERS = (_DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION)
_DELETE_PARAMETERS = (
    _DRY_RUN,
    _query("gracePeriodSeconds", "integer", "Not used for these objects."),
    _query("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    _query("propagationPolicy", "string", "What becomes of dependents.", enum=["Orphan", "Background", "Foreground"]),
)
_NAME: Json = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "Name of the object.",
    "schema": {"type": "string", "minLength": 1, "uniqueItems": True},
}
_NAMESPACE: Json = {
    "name": "namespace",
    "in": "path",
    "required": True,
    "description": "Namespace of the object.",
    "schema": {"type": "string", "minLength": 1, "uniqueItems": True},
}


def path_items(kind: Kind, definition: str, list_definition: str) -> Mapping[str, Json]:
    """Path items by path; the names are those of the kind's definitions in the document."""
    base = f"/apis/{kind.group}/{kind.version}/"
    plural = kind.names.plural
    scope = [_NAMESPACE] if kind.namespaced else []
    collection = f"{base}namespaces/{{namespace}}/{plural}" if kind.namespaced else f"{base}{plural}"
    maker = _Maker(kind, definition, list_definition)
    items = {collection: maker.collection(scope), f"{collection}/{{name}}": maker.one([*scope, _NAME], "")}
    if kind.status:
        items[f"{collection}/{{name}}/status"] = maker.one([*scope, _NAME], "Status")
    if kind.namespaced:
        items[f"{base}{plural}"] = maker.everywhere()
    return items


class _Maker:
    """Of one kind."""

    def __init__(self, kind: Kind, definition: str, list_definition: str) -> None:
        self._kind = kind
        self._object: Json = {"$ref": f"#/components/schemas/{definition}"}
        self._list: Json = {"$ref": f"#/components/schemas/{list_definition}"}
        self._tag = _camel(kind.group.split(".")[0]) + "_" + kind.version
        self._scope = "Namespaced" if kind.namespaced else ""

    def collection(self, parameters: Sequence[Json]) -> Json:
        return {
            "get": self._operation("list", "list", "List or watch objects.", _LIST_PARAMETERS, self._list, _LIST),
            "post": self._operation(
                "create", "post", "Create an object.", _WRITE_PARAMETERS, self._object, _WRITE,
                body=self._object, codes=("200", "201", "202"),
            ),
            "delete": self._operation(
                "deleteCollection", "deletecollection", "Delete the objects of a collection.",
                (*_DELETE_PARAMETERS, *_LIST_PARAMETERS[:8]), self._list, _DELETE_LISTED,
                body=ref("DeleteOptions"), optional=True,
            ),
            "parameters": [*parameters, _PRETTY],
        }  # fmt: skip

    def one(self, parameters: Sequence[Json], subresource: str) -> Json:
        item: Json = {
            "get": self._operation(
                "read", "get", "Read an object.",
                (_query("resourceVersion", "string", "The version that is asked for, at least."),),
                self._object, _READ, subresource,
            ),
            "put": self._operation(
                "replace", "put", "Replace an object.", _WRITE_PARAMETERS, self._object, _WRITE, subresource,
                body=self._object, codes=("200", "201"),
            ),
            "patch": self._patch(subresource),
            "parameters": [*parameters, _PRETTY],
        }  # fmt: skip
        if not subresource:
            item["delete"] = self._operation(
                "delete", "delete", "Delete an object.", _DELETE_PARAMETERS, ref("Status"), _WRITE,
                body=ref("DeleteOptions"), optional=True, codes=("200", "202"), also=self._object,
            )  # fmt: skip
        return item

    def everywhere(self) -> Json:
        operation = self._operation("list", "list", "List or watch objects.", _LIST_PARAMETERS, self._list, _LIST)
        operation["operationId"] = f"list{self._operation_name('')}ForAllNamespaces"
        return {"get": operation, "parameters": [_PRETTY]}

    def _patch(self, subresource: str) -> Json:
        operation = self._operation(
            "patch", "patch", "Change parts of an object.", (*_WRITE_PARAMETERS, _FORCE), self._object, _WRITE,
            subresource, codes=("200", "201"),
        )  # fmt: skip
        content: Json = {
            "application/apply-patch+yaml": {"schema": ref("Patch")},
            "application/json-patch+json": {"schema": ref("JsonPatch")},
            "application/merge-patch+json": {"schema": ref("Patch")},
        }
        if self._kind.merges_strategically:
            content["application/strategic-merge-patch+json"] = {"schema": ref("Patch")}
        operation["requestBody"] = {"required": True, "content": content}
        return operation

    def _operation(
        self,
        name: str,
        action: str,
        description: str,
        parameters: Sequence[Json],
        answer: Json,
        errors: Sequence[str],
        subresource: str = "",
        *,
        body: Json | None = None,
        optional: bool = False,
        codes: Sequence[str] = ("200",),
        also: Json | None = None,
    ) -> Json:
        schema = answer if also is None else {"anyOf": [answer, also]}
        content = {_JSON: {"schema": schema}, _YAML: {"schema": schema}}
        responses: Json = {code: {"description": "OK", "content": content} for code in codes}
        status = {_JSON: {"schema": ref("Status")}}
        responses |= {code: {"description": _ERRORS[code], "content": status} for code in errors}
        operation: Json = {
            "description": description,
            "operationId": f"{name}{self._operation_name(subresource)}",
            "tags": [self._tag],
            "parameters": list(parameters),
            "responses": responses,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {
                "group": self._kind.group,
                "version": self._kind.version,
                "kind": self._kind.names.kind,
            },
        }
        if body is not None:
            operation["requestBody"] = {
                "required": not optional,
                "content": {_JSON: {"schema": body}, _YAML: {"schema": body}},
            }
        return operation

    def _operation_name(self, subresource: str) -> str:
        group = "".join(map(_camel, self._kind.group.split(".")))
        return f"{group}{_camel(self._kind.version)}{self._scope}{self._kind.names.kind}{subresource}"


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in word.split("-"))
