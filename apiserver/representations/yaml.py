"""YAML at the edge: out, so that every text stays a text; in, so that what comes is JSON.

- Output quotes whatever YAML 1.1 or 1.2 would read as something else.
- Input has no aliases, no tags, no timestamps, no keys but texts: documents that expand when they are read are refused.
"""

import re
from typing import Any

import orjson
import yaml

from apiserver.documents import JsonValue
from apiserver.errors import BadRequest

_MOST_TOKENS = 2_000_000
_DEEPEST = 200

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What other readers take for a number, a boolean, a null, a time or a merge, beside what PyYAML itself would quote.
_AMBIGUOUS = re.compile(
    r"""[-+]?(0[xXoObB]?)?[\d_,.:]+([eE][-+]?\d+)?|[-+]?\.(inf|nan)|y|n|yes|no|on|off|true|false|null|~|<<|=|""",
    re.IGNORECASE,
)


class _TextDumper(_Dumper):  # type: ignore[misc] # the base is chosen at run time
    """Writes each list and object out, however often it appears."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _represent_text(dumper: Any, value: str) -> Any:
    style = "'" if _AMBIGUOUS.fullmatch(value) else None
    if "\n" in value and value.isprintable() is False and _fits_a_block(value):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _fits_a_block(value: str) -> bool:
    return all(line.isprintable() and line == line.rstrip() for line in value.split("\n"))


_TextDumper.add_representer(str, _represent_text)


class _JsonLoader(_Loader):  # type: ignore[misc] # the base is chosen at run time
    """Reads what JSON can say: no times, no octal numbers with colons, no merges. y and n are booleans, as YAML 1.1 has it."""

    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - PyYAML's own class attribute
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge", ":value"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_JsonLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), list("yYnN"))


def encode_yaml(octets: bytes) -> bytes:
    """From JSON, in the same order of fields."""
    text: bytes = yaml.dump(
        orjson.loads(octets),
        Dumper=_TextDumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        encoding="utf-8",
        width=1 << 20,
    )
    return text


def yaml_as_json(octets: bytes) -> bytes:
    """The same document as JSON. Raises BadRequest."""
    try:
        text = octets.decode()
        _verify_bounds(text)
        value = yaml.load(text, Loader=_JsonLoader)  # noqa: S506 - a loader of JSON's types only
        return orjson.dumps(_verify(value))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError, TypeError) as err:
        raise BadRequest(f"error decoding YAML: {' '.join(str(err).split())[:512]}") from err


def _verify_bounds(text: str) -> None:
    """Raises YAMLError.

    - An alias can make a document of a kilobyte into one of a terabyte.
    - The composer recurses in C: deep nesting would take the process with it, so it is bounded on the parser's events.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_JsonLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        if count > _MOST_TOKENS:
            raise yaml.YAMLError("the document is too large")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"the document is nested more than {_DEEPEST} levels deep")


def _verify(value: JsonValue) -> JsonValue:
    """Raises YAMLError where a key is no text."""
    if isinstance(value, dict):
        for name, child in value.items():
            if not isinstance(name, str):
                raise yaml.YAMLError(f"the key {name!r} must be a text; put it into quotes")
            _verify(child)
    elif isinstance(value, list):
        for child in value:
            _verify(child)
    return value
