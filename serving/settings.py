"""Settings as data: a frozen dataclass of groups, each field with its unit, its default and what follows from it.

- One name for all: the field `grpc_port` is the flag `--grpc-port`, the variable `CHANCERY_GRPC_PORT` and the YAML key `grpc_port`.
- Every fault is found at once, not only the first.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from certs.errors import CertsError
from certs.lifetimes import format_lifetime, parse_lifetime

S = TypeVar("S")


def setting(default: object, meaning: str, *, choices: tuple[str, ...] = ()) -> Any:
    """A field of a group of settings. `choices` are all that a text may be, for those who ask before it is read."""
    return field(default=default, metadata={"help": meaning, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, for those who build flags, read YAML or write documentation."""

    group: str
    name: str
    type_name: str
    default: object
    help: str
    parse: Callable[[object], object]
    choices: tuple[str, ...] = ()
    """All that it may be; empty where there is no telling."""

    @property
    def default_text(self) -> str:
        match self.default:
            case None | "" | ():
                return ""
            case bool():
                return "true" if self.default else "false"
            case timedelta():
                return format_lifetime(self.default)
            case tuple():
                return ",".join(str(part) for part in self.default)
            case _:
                return str(self.default)


def describe(settings_class: type[Any]) -> Iterator[Setting]:
    """Yields every setting of a class of groups, group by group."""
    for group in dataclasses.fields(settings_class):
        for one in _own_first(_group_class(group)):
            type_name, parse = _parser(one.type)
            yield Setting(
                group=group.name,
                name=one.name,
                type_name=type_name,
                default=one.default,
                help=one.metadata["help"],
                parse=parse,
                choices=one.metadata["choices"] or _members(one.type),
            )


def build(settings_class: type[S], values: Mapping[str, object]) -> tuple[S, list[str]]:
    """Settings from flat names to values, text or already typed, and all that is wrong with them."""
    known = {one.name: one for one in describe(settings_class)}
    faults = [f"unknown setting {name!r}" for name in values if name not in known]
    parsed: dict[str, dict[str, object]] = {}
    for name, one in known.items():
        if values.get(name) is None:
            continue
        try:
            parsed.setdefault(one.group, {})[name] = one.parse(values[name])
        except (ValueError, TypeError, CertsError) as err:
            faults.append(f"{name}: {err}")
    groups = {
        group.name: _group_class(group)(**parsed.get(group.name, {}))
        for group in dataclasses.fields(cast("type[Any]", settings_class))
    }
    return settings_class(**groups), faults


def is_loopback(address: str) -> bool:
    """Whether nobody but this machine can reach a listener at `address`."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _group_class(group: "dataclasses.Field[Any]") -> type[Any]:
    factory = group.default_factory
    return cast("type[Any]", factory)


def _own_first(group: type[Any]) -> "list[dataclasses.Field[Any]]":
    """Settings of a group before those that it inherits, as it shares them with others."""

    def depth(one: "dataclasses.Field[Any]") -> int:
        return max(
            number for number, each in enumerate(group.__mro__) if one.name in vars(each).get("__annotations__", ())
        )

    return sorted(dataclasses.fields(group), key=depth)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in {"true", "false", "yes", "no", "1", "0"}:
        raise ValueError(f"{value!r} is not true or false")
    return text in {"true", "yes", "1"}


def _integer(value: object) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", str(value).strip()):
        raise ValueError(f"{value!r} is not a whole number")
    return int(str(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value.strip()


def _texts(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        raise TypeError(f"{value!r} is not a list")
    return tuple(_text(part) for part in parts if part)


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _optional_path(value: object) -> Path | None:
    return _path(value) if value else None


def _lifetime(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else parse_lifetime(_text(value))


_PARSERS: Mapping[object, tuple[str, Callable[[object], object]]] = {
    Path: ("path", _path),
    Path | None: ("path", _optional_path),
    str: ("text", _text),
    bool: ("boolean", _boolean),
    int: ("integer", _integer),
    int | None: ("integer", lambda value: None if value in {"", None} else _integer(value)),
    timedelta: ("duration", _lifetime),
    tuple[str, ...]: ("list", _texts),
}


def _members(kind: object) -> tuple[str, ...]:
    """Of an enumeration; with the empty text where it may be none."""
    kinds = get_args(kind) or (kind,)
    texts = [one for one in kinds if isinstance(one, type) and issubclass(one, StrEnum)]
    return (*(("",) if texts and get_args(kind) else ()), *(str(member) for one in texts for member in one))


def _parser(kind: object) -> tuple[str, Callable[[object], object]]:
    """A setting may also be of an enumeration of texts, or of none of them."""
    if kind in _PARSERS:
        return _PARSERS[kind]
    members = [one for one in (get_args(kind) or (kind,)) if isinstance(one, type) and issubclass(one, StrEnum)]
    (texts,) = members
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", texts.__name__).lower()
    return name, lambda value: texts(str(value)) if value or not get_args(kind) else None
