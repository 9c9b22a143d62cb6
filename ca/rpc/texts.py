"""Texts of messages, before any handler sees them.

- A NUL is in no text that means anything here, and PostgreSQL keeps none: it is the caller's fault, told by the field's name.
"""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ca.errors import RequestInvalid

_NUL = "\0"


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
