"""From changes to events: what a watcher with a selection sees of a change (apiserver: watch with predicates).

- Starting to match is ADDED, ceasing to is DELETED with the object as it last matched, and the event's revision.
- Between two versions that both match there is MODIFIED; what never matched is never seen.
"""

from typing import Protocol

from apiserver.requests.selectors import Selection
from apiserver.storage.records import Change, ChangeType, Record

Told = tuple[int, bytes]
"""A revision, and the frame that tells what came with it. Watchers share it: there is one for all who want it alike."""


class EventEncoder(Protocol):
    """How a watcher wants to be told. Watchers with the same `key` share frames."""

    @property
    def key(self) -> str:
        """All that the frame depends on, beside the event. It is looked up for each watcher of each event."""

    @property
    def needs_bodies(self) -> bool: ...

    @property
    def first_differs(self) -> bool:
        """Whether the first event of a watch is told in another way than the later ones."""

    def event(self, kind: ChangeType, record: Record, *, first: bool) -> bytes:
        """A frame. The record's body is inline where bodies are needed."""

    def bookmark(self, revision: int, *, initial_events_end: bool) -> bytes: ...


def event_of(change: Change, selection: Selection) -> tuple[ChangeType, Record] | None:
    """What to tell of `change`; None where it is none of this selection's."""
    record, previous = change.record, change.previous
    if selection.is_everything:
        return change.type, record
    before = previous is not None and selection.matches(previous)
    if record.deleted:
        return (ChangeType.DELETED, record) if before else None
    if selection.matches(record):
        return (ChangeType.MODIFIED if before else ChangeType.ADDED), record
    if before and previous is not None:
        return ChangeType.DELETED, previous.at(record.revision)
    return None
