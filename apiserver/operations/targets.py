"""What an operation is about, and how it is to be done."""

from collections.abc import Callable
from dataclasses import dataclass

from apiserver.errors import Subject
from apiserver.kinds.kind import Kind
from apiserver.requests.options import WriteOptions
from apiserver.storage.records import Key, Record

STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One object, or, without a name, those of a namespace or of all (`namespace` "")."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(storage=self.kind.storage, namespace=self.namespace, name=self.name)

    @property
    def subject(self) -> Subject:
        return self.kind.subject(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write: `manager` is who will own the fields; `warn` takes sentences for the caller (RFC 7234 Warning, 299)."""

    target: Target
    options: WriteOptions
    manager: str
    warn: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a write left behind. `created`: it was not there before. `stored` False: a dry run, whose revision is not one."""

    record: Record
    body: bytes
    created: bool = False
    stored: bool = True
