"""What is to be done about an object that the registrar publishes, so that it becomes what it should be.

- What carries no label of ours is somebody else's: it is never written, nor deleted.
- Every write holds the version that it was decided on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kube.documents import JsonObject, is_being_deleted, name_of, resource_version_of, uid_of
from kube.trust.labels import is_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    document: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A merge patch."""

    name: str
    patch: JsonObject
    was_garbage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Of this object in this version only."""

    name: str
    uid: str
    resource_version: str

    @classmethod
    def of(cls, document: JsonObject) -> "Delete":
        return cls(name=name_of(document), uid=uid_of(document), resource_version=resource_version_of(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Somebody else's is in the way."""

    name: str


Step = Create | Update | Delete | Foreign


def step_towards(
    wanted: JsonObject, present: JsonObject | None, correct: Callable[[JsonObject], Step | None]
) -> Step | None:
    """None: nothing is to be done. `correct` is asked about what is there and ours. What is being deleted is made anew once it
    is gone."""
    if present is None:
        return Create(document=wanted)
    if is_being_deleted(present):
        return None
    return correct(present) if is_ours(present) else Foreign(name=name_of(present))
