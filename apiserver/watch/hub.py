"""The hub: hands each change to the watchers that it may concern, encoded once for all who want it alike.

- Watchers are found by storage, then by namespace or name: a change of one object does not touch those who watch another.
- Bookmarks and timeouts share one heap; nobody has a timer of its own. Of who left before its time the heap keeps little, and
  not for long: it would keep a connection alive.
"""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from apiserver.ambient import Entropy
from apiserver.storage.records import Change
from apiserver.watch.events import Told, event_of
from apiserver.watch.watcher import End, Watcher

_BOOKMARK_SECONDS = 60.0
_JITTER_SECONDS = 10.0
_LAST_BOOKMARK_SECONDS = 2.0
_MOST_DUE = 3
"""What one watcher has in the heap."""
_SPARE = 100

_Place = tuple[str, str | None, str]


class BodiesNeeded(NamedTuple):
    """Which bodies watchers are told: of objects as they are, and as they were before."""

    current: bool
    previous: bool

    def go_beyond(self, other: "BodiesNeeded") -> bool:
        """Whether some are needed that are not in `other`."""
        return (self.current and not other.current) or (self.previous and not other.previous)


class Hub:
    """Belongs to the event loop. `seen` is the newest revision of which every watcher has been told."""

    def __init__(self, *, monotonic: Callable[[], float], entropy: Entropy) -> None:
        self.seen = 0
        self._monotonic = monotonic
        self._entropy = entropy
        self._watchers: defaultdict[_Place, dict[int, Watcher]] = defaultdict(dict)
        self._due: list[tuple[float, int, Watcher, bool]] = []
        self._numbers = itertools.count()
        self._count = 0
        self._is_stopping = False
        self._with_bodies = 0
        self._selective = 0

    def __len__(self) -> int:
        return self._count

    @property
    def needs(self) -> BodiesNeeded:
        return BodiesNeeded(current=self._with_bodies > 0, previous=self._selective > 0)

    def register(self, watcher: Watcher, *, seconds: float) -> Callable[[], None]:
        """`seconds` is how long it lives. Returns how to take it out again."""
        place = _place(watcher)
        self._watchers[place][id(watcher)] = watcher
        self._count += 1
        bodies = watcher.encoder.needs_bodies
        selective = bodies and not watcher.selection.is_everything
        self._with_bodies += bodies
        self._selective += selective
        now = self._monotonic()
        self._schedule(now + seconds, watcher, ends=True)
        if watcher.bookmarks:
            self._schedule(now + self._bookmark_delay(), watcher, ends=False)
            self._schedule(now + max(seconds - _LAST_BOOKMARK_SECONDS, 0), watcher, ends=False)

        if self._is_stopping:
            watcher.finish(End.STOPPING)

        def unregister() -> None:
            if self._watchers[place].pop(id(watcher), None) is None:
                return
            if not self._watchers[place]:
                del self._watchers[place]
            self._count -= 1
            self._with_bodies -= bodies
            self._selective -= selective
            watcher.release()
            self._forget_ended()

        return unregister

    def publish(self, changes: Sequence[Change]) -> None:
        """Tells every watcher; `changes` follow what was published before."""
        for change in changes:
            shared: dict[object, Told] = {}
            for watcher in self._concerned(change):
                if change.revision > watcher.after and watcher.end is None:
                    self._tell(watcher, change, shared)
            self.seen = change.revision

    def tick(self) -> None:
        """Does what is due: bookmarks and ends. Call it about once a second."""
        now = self._monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, watcher, ends = heapq.heappop(self._due)
            if watcher.end is not None:
                continue
            if ends:
                watcher.finish(End.TIMEOUT)
                continue
            if watcher.is_live and self.seen > 0:
                revision = max(self.seen, watcher.after)
                watcher.put((revision, watcher.encoder.bookmark(revision, initial_events_end=False)))
            self._schedule(now + self._bookmark_delay(), watcher, ends=False)

    def finish(self, end: End) -> None:
        """Ends every watch that there is."""
        for watchers in list(self._watchers.values()):
            for watcher in list(watchers.values()):
                watcher.finish(end)

    def stop(self) -> None:
        """Ends every watch that there is, and each that comes after as soon as it has told what there was."""
        self._is_stopping = True
        self.finish(End.STOPPING)

    def _tell(self, watcher: Watcher, change: Change, shared: dict[object, Told]) -> None:
        event = event_of(change, watcher.selection)
        if event is None:
            return
        kind, record = event
        encoder = watcher.encoder
        if encoder.first_differs and not watcher.told_first:
            watcher.told_first = True
            watcher.put((change.revision, encoder.event(kind, record, first=True)))
            return
        key: object = encoder.key
        if kind is not change.type or record is not change.record:  # as few see it, for their selectors
            key = encoder.key, kind, record is change.record
        told = shared.get(key)
        if told is None:
            told = shared[key] = (change.revision, encoder.event(kind, record, first=False))
        watcher.put(told)

    def _concerned(self, change: Change) -> Iterator[Watcher]:
        key = change.record.key
        for place in (
            (key.storage, None, ""),
            (key.storage, key.namespace, ""),
            (key.storage, key.namespace, key.name),
            (key.storage, None, key.name),
        ):
            watchers = self._watchers.get(place)
            if watchers:
                yield from list(watchers.values())

    def _schedule(self, due: float, watcher: Watcher, *, ends: bool) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), watcher, ends))

    def _forget_ended(self) -> None:
        """Once they are more than the others: what it costs, many have caused."""
        if len(self._due) > 2 * _MOST_DUE * self._count + _SPARE:
            self._due = [one for one in self._due if one[2].end is None]
            heapq.heapify(self._due)

    def _bookmark_delay(self) -> float:
        return _BOOKMARK_SECONDS - _JITTER_SECONDS * self._entropy(1)[0] / 256


def _place(watcher: Watcher) -> _Place:
    return watcher.storage, watcher.selection.namespace, watcher.selection.name
