"""For Schemathesis, when it follows objects through their lives: what follows from what, and what makes a creation succeed.

- Links say that what was created can be read, replaced, patched and deleted under its name; kube-apiserver publishes none.
- Names are valid, and nothing is a dry run or waits for finalizers: otherwise nobody could say what must be there afterwards.
"""

import schemathesis

from tests.apiserver.outsiders import schemathesis_hooks  # noqa: F401 - its hooks count here as well

_NAME = {"type": "string", "pattern": "^[a-z]{1,8}$"}
_MANAGER = {"name": "fieldManager", "in": "query", "required": True, "schema": {"type": "string", "enum": ["outsider"]}}


@schemathesis.hook
def before_load_schema(_context, document):
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        item["parameters"] = [one | {"schema": _NAME} for one in item["parameters"] if one["in"] == "path"]
        for method in item.keys() - {"parameters"}:
            operation = item[method]
            body = _body(method, operation, schemas)
            operation["parameters"] = [_MANAGER] if body else []
            operation.pop("requestBody", None)
            operation |= body
        if "post" in item:
            item["post"]["responses"]["201"]["links"] = _links(document["paths"], path)


def _body(method, operation, schemas):
    """Of an object, what a caller chooses: its name, a label, and what its kind adds to every object."""
    labels = _closed(app=_NAME)
    if method == "patch":
        return _request("application/merge-patch+json", _closed(metadata=_closed(labels=labels)))
    if method not in {"post", "put"}:
        return {}
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    kind = schemas[reference.rpartition("/")[2]]
    own = {
        name: schema for name, schema in kind["properties"].items() if name not in {"apiVersion", "kind", "metadata"}
    }
    return _request(
        "application/json",
        _closed(**own, metadata=_closed(name=_NAME, labels=labels, required=["name"]), required=["metadata"]),
    )


def _request(media_type, schema):
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _closed(*, required=(), **properties):
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def _links(paths, collection):
    """From a creation to all that can be done with what it created."""
    where = {"name": "$response.body#/metadata/name"}
    if "{namespace}" in collection:
        where["namespace"] = "$request.path.namespace"
    links = {}
    for suffix in ("/{name}", "/{name}/status"):
        item = paths.get(collection + suffix, {})
        for method in item.keys() & {"get", "put", "patch", "delete"}:
            operation_id = item[method]["operationId"]
            body = {"requestBody": "$response.body"} if method == "put" else {}
            links[operation_id] = {"operationId": operation_id, "parameters": where, **body}
    return links
