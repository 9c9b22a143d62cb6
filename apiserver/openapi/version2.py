"""OpenAPI 2 (Swagger), made from the documents of version 3, for clients that know nothing newer."""

from collections.abc import Mapping, Sequence
from typing import cast

Json = dict[str, object]

_UNKNOWN_TO_VERSION_2 = frozenset({"nullable", "anyOf", "oneOf", "not"})
_VALUES = frozenset({"default", "enum", "example"})
"""What stands below them is no schema, whatever it looks like."""


def swagger(documents: Sequence[Mapping[str, object]], program_version: str) -> Json:
    """All documents in one."""
    paths: Json = {}
    definitions: Json = {}
    for document in documents:
        for path, item in cast("Json", document["paths"]).items():
            paths[path] = _path_item(cast("Json", item))
        schemas = cast("Json", cast("Json", document["components"])["schemas"])
        definitions |= {name: _schema(schema) for name, schema in schemas.items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Chancery", "version": program_version},
        "paths": paths,
        "definitions": definitions,
    }


def _path_item(item: Json) -> Json:
    return {
        name: [_parameter(cast("Json", one)) for one in cast("list[object]", value)]
        if name == "parameters"
        else _operation(cast("Json", value))
        for name, value in item.items()
    }


def _operation(operation: Json) -> Json:
    changed = {name: value for name, value in operation.items() if name != "requestBody"}
    parameters = [_parameter(cast("Json", one)) for one in cast("list[object]", operation["parameters"])]
    body = cast("Json | None", operation.get("requestBody"))
    if body is not None:
        content = cast("Json", body["content"])
        media = cast("Json", next(iter(content.values())))
        changed["consumes"] = list(content)
        parameters.append(
            {"name": "body", "in": "body", "required": body.get("required", False), "schema": _schema(media["schema"])}
        )
    changed["parameters"] = parameters
    changed["produces"] = ["application/json", "application/yaml"]
    changed["schemes"] = ["https"]
    changed["responses"] = {
        code: _response(cast("Json", response)) for code, response in cast("Json", operation["responses"]).items()
    }
    return changed


def _response(response: Json) -> Json:
    media = cast("Json", next(iter(cast("Json", response["content"]).values())))
    return {"description": response["description"], "schema": _schema(media["schema"])}


def _parameter(parameter: Json) -> Json:
    schema = cast("Json", parameter["schema"])
    return {name: value for name, value in parameter.items() if name != "schema"} | schema


def _schema(schema: object) -> object:
    """References point elsewhere, and what version 2 cannot say is left out: then anything may stand there."""
    if isinstance(schema, list):
        return [_schema(child) for child in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return {"$ref": str(schema["$ref"]).replace("#/components/schemas/", "#/definitions/")}
    return {
        name: {key: _schema(child) for key, child in value.items()}
        if name == "properties" and isinstance(value, Mapping)
        else value
        if name in _VALUES
        else _schema(value)
        for name, value in schema.items()
        if name not in _UNKNOWN_TO_VERSION_2
    }
