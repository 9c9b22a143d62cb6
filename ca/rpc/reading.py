"""Requests as they come off the wire, before any handler sees them.

- Octets that are no such message are the caller's fault and answered as that; gRPC itself would log a traceback for each.
- A NUL is in no text that means anything here, and PostgreSQL keeps none: it is refused by the field's name.
"""

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ca.errors import RequestInvalid

_NUL = "\0"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What came instead of a message of this type."""

    type_name: str


def reader(message_type: Descriptor) -> Callable[[bytes], Message | Unreadable]:
    """Reads messages of a type, and never raises: gRPC asks for the message before a handler could refuse it."""
    parse, unreadable = GetMessageClass(message_type).FromString, Unreadable(message_type.name)

    def read(octets: bytes) -> Message | Unreadable:
        try:
            return parse(octets)
        except DecodeError:
            return unreadable

    return read


def verify_readable(request: Message | Unreadable) -> None:
    """Raises RequestInvalid."""
    if isinstance(request, Unreadable):
        raise RequestInvalid(f"the octets that were sent are no {request.type_name}", field="body")
    verify_texts(request)


def verify_texts(message: Message, path: str = "") -> None:
    """Raises RequestInvalid."""
    for field, value in message.ListFields():
        name = f"{path}{field.name}"
        if field.type not in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE}:
            continue
        for one in (value,) if isinstance(value, str | Message) else value:
            if isinstance(one, Message):
                verify_texts(one, f"{name}.")
            elif _NUL in one:
                raise RequestInvalid(f"{name} holds a NUL character; leave it out", field=name)
