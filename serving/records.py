"""Forms that msgspec reads, made ready before threads read them.

- msgspec works out how to read a class when it is first asked to; of two threads that ask at once, one meets what the other has
  half made, and the process dies of it (msgspec 0.22). A decoder that is made while the module is imported comes before both.
"""

from typing import TypeVar

import msgspec

_Form = TypeVar("_Form", bound=msgspec.Struct)


def read_by_threads(form: type[_Form]) -> type[_Form]:
    """A decorator of what is passed to `msgspec.json.decode` or `msgspec.convert`; its fields' classes become ready with it."""
    msgspec.json.Decoder(form)
    return form
