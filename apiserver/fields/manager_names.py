"""Names of field managers (metav1 ValidateFieldManager)."""

from collections.abc import Iterator

from apiserver.errors import BadRequest
from apiserver.field_errors import FieldError, FieldErrorType, invalid

LONGEST = 128
"""Octets."""

UNKNOWN = "unknown"
"""Who is nobody: neither fieldManager nor User-Agent."""


def manager_faults(name: str, field: str = "fieldManager") -> Iterator[FieldError]:
    """What is wrong with a name that a caller gave. `field` is where, for messages."""
    if len(name.encode(errors="replace")) > LONGEST:
        yield FieldError(type=FieldErrorType.TOO_LONG, field=field, detail=f"may not be more than {LONGEST} bytes")
    position = 0
    for char in name:
        if not char.isprintable():
            yield invalid(field, name, f"invalid character U+{ord(char):04X} (at position {position})")
        position += len(char.encode(errors="replace"))


def verify_manager(name: str) -> None:
    """Raises BadRequest; whoever answers with an Invalid of options takes `manager_faults`."""
    for fault in manager_faults(name):
        raise BadRequest(str(fault))


def default_manager(user_agent: str) -> str:
    """The manager of a request that names none: its User-Agent up to the first slash, as far as it can be printed."""
    name = ""
    room = LONGEST
    for char in user_agent.partition("/")[0]:
        if not char.isprintable():
            continue
        room -= len(char.encode(errors="replace"))
        if room < 0:
            break
        name += char
    return name
