"""Writes schema and README tables of charts/chancery from its values.yaml: `python scripts/document_chart.py`.

- `# --` begins the description of the key below it, `# @schema` what its default cannot say: a mapping of JSON Schema, `ref` (one
  of SHAPES, also inside of `items`), `open` (any object) or `settings` (those of a server, by name and type).
- A plain comment above a group gives it a section of its own in the README.
- Every object is closed but those marked `open`, and every value has a description: a key that lacks one is a fault.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from apiserver.settings import ApiServerSettings
from ca.settings import ServeSettings
from kube.admission.settings import InjectorSettings
from kube.settings import ControllerSettings
from serving.settings import Setting, describe

CHART = Path(__file__).parents[1] / "charts" / "chancery"
BEGIN, END = "<!-- values: generated from values.yaml by `make docs` -->", "<!-- end of values.yaml -->"

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = rf"^{_LABEL}(\.{_LABEL})*$"
_KEY = rf"^({_NAME.strip('^$')}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
_SPAN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
_QUANTITY = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][0-9]+)?$"
_REGISTRY = r"^$|^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?(/[a-z0-9._-]+)*/?$"
_REPOSITORY = r"^[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)*$"
_TAG = r"^$|^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
_TEXT_LIST = {"type": "array", "items": {"type": "string"}}

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "countOrPercentage": {
        "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^(100|[1-9]?[0-9])%$"}]
    },
    "annotations": {"type": "object", "additionalProperties": False, "patternProperties": {_KEY: {"type": "string"}}},
    "domain": {"type": "string", "pattern": _NAME, "maxLength": 253},
    "duration": {"type": "string", "pattern": _SPAN, "minLength": 2},
    "groupVersion": {
        "type": "object",
        "additionalProperties": False,
        "required": ["group", "version"],
        "properties": {
            "group": {"type": "string", "pattern": _NAME},
            "version": {"type": "string", "pattern": rf"^{_LABEL}$"},
        },
    },
    "imageOverride": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "registry": {"type": "string", "pattern": _REGISTRY},
            "repository": {"type": "string", "pattern": _REPOSITORY},
            "tag": {"type": "string", "pattern": _TAG},
            "digest": {"type": "string"},
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        },
    },
    "imageRegistry": {"type": "string", "pattern": _REGISTRY},
    "imageRepository": {"type": "string", "pattern": _REPOSITORY},
    "imageTag": {"type": "string", "pattern": _TAG},
    "labels": {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {
            _KEY: {"type": "string", "pattern": r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", "maxLength": 63}
        },
    },
    "octets": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]*(Ki|Mi|Gi)?$"}]},
    "optionalDuration": {"type": "string", "pattern": _SPAN},
    "optionalName": {"type": "string", "pattern": rf"^$|{_NAME}", "maxLength": 253},
    "policyRule": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "callers"],
        "properties": {
            "name": {"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,63}$"},
            "effect": {"enum": ["allow", "deny"]},
            "callers": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "operations": _TEXT_LIST,
            "profiles": _TEXT_LIST,
            "names": {"oneOf": [{"enum": ["any", "own"]}, {"type": "object"}]},
            "subject": {"oneOf": [{"enum": ["any", "own"]}, {"type": "object"}]},
            "key_types": _TEXT_LIST,
            "max_lifetime": {"type": "string", "pattern": _SPAN, "minLength": 2},
        },
    },
    "pullSecrets": {
        "oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/definitions/secretName"}}],
    },
    "quantity": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([KMGTPE]i?|m|k)?$"},
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            kind: {
                "type": "object",
                "additionalProperties": {"type": ["string", "number"], "minimum": 0, "pattern": _QUANTITY},
            }
            for kind in ("limits", "requests")
        }
        | {"claims": {"type": "array", "items": {"type": "object"}}},
    },
    "secretName": {
        "oneOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 1}},
            },
        ]
    },
    "subject": {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "name"],
        "properties": {
            "kind": {"enum": ["User", "Group", "ServiceAccount"]},
            "name": {"type": "string", "minLength": 1},
            "namespace": {"type": "string", "pattern": _NAME},
        },
    },
    "serviceMonitorOverride": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "enabled": {"type": "boolean"},
            "interval": {"$ref": "#/definitions/duration"},
            "scrapeTimeout": {"$ref": "#/definitions/duration"},
            "namespace": {"$ref": "#/definitions/optionalName"},
            "additionalLabels": {"$ref": "#/definitions/labels"},
        },
    },
}

# What the chart says itself, by values of other names or in one way only.
_OF_THE_CHART = {
    "ca": {
        "advertised_names",
        "data_directory",
        "database",
        "enrollment_port",
        "grpc",
        "grpc_port",
        "http_port",
        "insecure_bind",
        "kubernetes_audience",
        "kubernetes_enrollment",
        "kubernetes_kubeconfig",
        "kubernetes_namespace",
        "kubernetes_passphrase_secret",
        "kubernetes_pod_check",
        "kubernetes_registrar",
        "kubernetes_roots_secret",
        "listen_address",
        "mtls",
        "passphrase_file",
        "policy_file",
        "revocation_port",
        "trust_domain",
    },
    "apiserver": {
        "authorization_skip_lookup",
        "bind_address",
        "data_directory",
        "database",
        "kinds",
        "kind_max_body",
        "kind_max_requests_inflight",
        "kubeconfig",
        "max_body",
        "secure_port",
        "serving_lifetime",
        "serving_names",
        "tls_cert_file",
        "tls_private_key_file",
    },
    "controller": {
        "bootstrap",
        "cluster_domain",
        "health_address",
        "health_port",
        "http_server",
        "identity",
        "kubeconfig",
        "lease_name",
        "namespace",
        "server",
        "token_file",
        "trust_domain",
    },
    "injector": {
        "agent_user",
        "audience",
        "bind_address",
        "bootstrap",
        "cluster_domain",
        "health_address",
        "health_port",
        "http_server",
        "identity",
        "image",
        "image_pull_policy",
        "kubeconfig",
        "namespace",
        "service",
        "short_names",
        "token_file",
        "webhook_configurations",
        "webhook_port",
    },
}
_SERVERS: Mapping[str, type] = {
    "ca": ServeSettings,
    "apiserver": ApiServerSettings,
    "controller": ControllerSettings,
    "injector": InjectorSettings,
}
_MANIFESTS = Path(__file__).parents[1] / "kube" / "signers" / "manifests"
COPIES = {_MANIFESTS / name: CHART / "files" / name for name in ("admission-policy.yaml", "issuers.yaml")}
"""What the chart renders and the controller reads: one source, as Helm reads nothing beside the chart."""
_TYPES: Mapping[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": 0},
    "duration": {"allOf": [{"$ref": "#/definitions/duration"}]},
    "list": {"type": "array", "items": {"type": "string", "minLength": 1, "pattern": "^[^,]*$"}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key of values.yaml. `description` is empty for a group of others, `heading` for most of those."""

    path: tuple[str, ...]
    default: Any
    description: str
    heading: str
    shape: Mapping[str, Any]
    parts: tuple["Value", ...]

    @property
    def is_group(self) -> bool:
        return bool(self.parts) and not self.description


def read_values(text: str) -> tuple[Value, ...]:
    """Raises ValueError for a key without a description, and for a comment that is none of ours."""
    match yaml.compose(text, Loader=yaml.SafeLoader):
        case yaml.MappingNode() as root:
            return _parts(root, text.splitlines(), ())
        case _:
            raise ValueError("values.yaml must hold a mapping")


def schema(values: tuple[Value, ...]) -> Mapping[str, Any]:
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart chancery",
        **_object(values),
        "definitions": dict(sorted(SHAPES.items())),
    }


def with_values(page: str, values: tuple[Value, ...]) -> str:
    """The page with its tables brought up to date. Raises ValueError where it lacks the markers."""
    if BEGIN not in page or END not in page:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}; put them where the tables belong")
    tables = "\n\n".join(
        f"### {title}\n\n| value | default | what it does |\n|---|---|---|\n" + "\n".join(map(_row, rows))
        for title, rows in _sections(values)
    )
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{tables}\n\n{END}", page, flags=re.DOTALL
    )


def _parts(node: yaml.MappingNode, lines: list[str], above: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple(_value(key, value, lines, above) for key, value in node.value)


def _value(key: yaml.ScalarNode, node: yaml.Node, lines: list[str], above: tuple[str, ...]) -> Value:
    path = (*above, key.value)
    description, heading, shape = _comment(lines, key.start_mark.line, path)
    is_group = isinstance(node, yaml.MappingNode) and bool(node.value) and not description
    if not is_group and not description:
        raise ValueError(f"{'.'.join(path)}: say with `# --` above it what it does")
    return Value(
        path=path,
        default=yaml.SafeLoader("").construct_document(node),
        description=description,
        heading=heading,
        shape=shape,
        parts=_parts(node, lines, path) if is_group and isinstance(node, yaml.MappingNode) else (),
    )


def _comment(lines: list[str], line: int, path: tuple[str, ...]) -> tuple[str, str, Mapping[str, Any]]:
    """What the comment above a line says: the description, the heading and the schema."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    description: list[str] = []
    heading: list[str] = []
    shape: Mapping[str, Any] = {}
    for text in (each.lstrip().removeprefix("#").strip() for each in lines[first:line]):
        if text.startswith("@schema"):
            shape = yaml.safe_load(text.removeprefix("@schema"))
            if not isinstance(shape, dict):
                raise ValueError(f"{'.'.join(path)}: `# @schema` must hold a mapping")
        elif text.startswith("--") or description:
            description.append(text.removeprefix("--").strip())
        else:
            heading.append(text)
    return " ".join(description), " ".join(heading), shape


def _object(values: tuple[Value, ...], *, is_open: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": is_open,
        "required": [
            each.path[-1] for each in values
        ],  # Helm validates what defaults and user say together: null takes away
        "properties": {each.path[-1]: _property(each) for each in values},
    }


def _property(value: Value) -> dict[str, Any]:
    if value.is_group:
        return _object(value.parts, is_open=bool(value.shape.get("open")))
    said = dict(value.shape)
    if server := said.pop("settings", None):
        described = {"description": value.description, "default": value.default}
        return described | _settings(server)
    kind: dict[str, Any] = {} if "ref" in said or "enum" in said else {"type": _type_of(value.default)}
    return {"description": value.description, "default": value.default} | kind | _expanded(said)


def _expanded(said: Mapping[str, Any]) -> dict[str, Any]:
    expanded: dict[str, Any] = {}
    for key, value in said.items():
        match key:
            case "ref":
                if value not in SHAPES:
                    raise ValueError(f"`# @schema` refers to {value!r}, which is none of {', '.join(SHAPES)}")
                expanded["allOf"] = [{"$ref": f"#/definitions/{value}"}]  # beside $ref draft 7 reads no other keyword
            case "open":
                expanded["type"] = "object"
            case "items" | "additionalProperties":
                expanded[key] = _expanded(value)
            case _:
                expanded[key] = value
    return expanded


def _settings(server: str) -> dict[str, Any]:
    hidden = _OF_THE_CHART[server]
    properties = {one.name: _setting(one) for one in describe(_SERVERS[server]) if one.name not in hidden}
    return {"type": "object", "additionalProperties": False, "properties": dict(sorted(properties.items()))}


def _setting(setting: Setting) -> dict[str, Any]:
    choices = {"enum": list(setting.choices)} if setting.choices else {}
    return {"description": setting.help} | _TYPES.get(setting.type_name, {"type": "string"}) | choices


def _type_of(default: object) -> str:
    match default:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            raise ValueError(f"a default of {default!r} says no type")


def _sections(values: tuple[Value, ...]) -> Iterator[tuple[str, list[Value]]]:
    """First what concerns all, then each component by itself."""
    yield "All components", [row for each in values if not each.heading for row in _leaves(each)]
    for each in values:
        if each.heading:
            yield f"{each.heading.rstrip('.')}", list(_leaves(each))


def _leaves(value: Value) -> Iterator[Value]:
    if not value.is_group:
        yield value
    for part in value.parts:
        yield from _leaves(part)


def _row(value: Value) -> str:
    default = json.dumps(value.default)
    meaning = value.description.replace("|", "\\|")
    return f"| `{'.'.join(value.path)}` | `{default}` | {meaning} |"


if __name__ == "__main__":
    read = read_values((CHART / "values.yaml").read_text())
    (CHART / "values.schema.json").write_text(json.dumps(schema(read), indent=2) + "\n")
    readme = CHART / "README.md"
    readme.write_text(with_values(readme.read_text(), read))
    for source, copy in COPIES.items():
        copy.write_bytes(source.read_bytes())
