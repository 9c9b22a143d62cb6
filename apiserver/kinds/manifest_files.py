"""Manifests as files: YAML, one or several documents in each, that say no more than JSON can.

- No tags, no times, no merges, no two keys of one name; a document that refers to itself, or unfolds to many times its size, is
  refused before anybody walks through it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from apiserver.documents import JsonObject, JsonValue

_LARGEST_FILE = 4 << 20
_MOST_NODES = 500_000
_DEEPEST = 150
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`place` says which document of which file it is."""

    place: str
    document: JsonObject


class _JsonLoader(_Loader):  # type: ignore[misc] # the base is chosen at run time
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge", ":value"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Raises YAMLError for a key that is no text, or stands twice."""
        keys = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _refused(f"the key {key.value!r} must be a text", key.start_mark)
            if key.value in keys:
                raise _refused(f"the key {key.value!r} stands twice", key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _refused(why: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(problem=why, problem_mark=mark)


def read_manifests(paths: Sequence[Path], faults: list[str]) -> Iterator[Manifest]:
    """Of files, and of the *.yaml and *.yml in directories. What cannot be read is added to `faults`."""
    for path in _files(paths, faults):
        try:
            documents = list(_documents(path))
        except (yaml.YAMLError, ValueError, RecursionError, OSError) as err:
            faults.append(f"{path}: cannot be read: {' '.join(str(err).split())[:512]}")
            continue
        for number, document in enumerate(documents, start=1):
            place = str(path) if len(documents) == 1 else f"{path}, document {number}"
            if isinstance(document, dict):
                yield Manifest(place=place, document=document)
            else:
                faults.append(f"{place}: must be an object")


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


def _documents(path: Path) -> Iterator[JsonValue]:
    """Raises YAMLError, ValueError, RecursionError, OSError."""
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"it is larger than {_LARGEST_FILE} octets")
    for document in yaml.load_all(path.read_bytes(), Loader=_JsonLoader):
        if document is not None:
            _verify_json(document)
            yield document


def _verify_json(document: JsonValue) -> None:
    """Raises ValueError."""
    waiting: list[tuple[object, int]] = [(document, 0)]
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > _MOST_NODES:
            raise ValueError(f"it unfolds to more than {_MOST_NODES} values")
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        if isinstance(value, dict):
            waiting += [(child, depth + 1) for child in value.values()]
        elif isinstance(value, list):
            waiting += [(child, depth + 1) for child in value]
        elif not _is_json_scalar(value):
            raise ValueError(f"{str(value)[:64]!r} cannot be written as JSON")


def _is_json_scalar(value: object) -> bool:
    if isinstance(value, float):
        return value == value and value not in {float("inf"), float("-inf")}  # noqa: PLR0124 - only NaN differs from itself
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value) if not value.isascii() else True
    return value is None or isinstance(value, bool) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 64)
