"""How many objects there are: counted once, then followed by what has changed since.

- Counting walks an index over all of them, following walks over the changes alone.
- A total is followed only from a revision whose changes are all kept, and while they are few beside the objects.
"""

from sqlalchemy import Connection

from apiserver.storage import statements
from apiserver.storage.statements import Query, Span, run

_FEW = 64
_SHARE = 16
"""Following a change costs as much as counting about as many objects."""

_MOST = 1024


class Totals:
    """Of storages, and of namespaces in them, as they were asked for lately; used from any thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None], tuple[int, int]] = {}

    def present(self, connection: Connection, span: Span, *, current: int, oldest: int) -> int:
        """How many objects `span`, all of a storage or of a namespace, has at `current`, the revision that `connection` sees."""
        place = span.storage, span.namespace
        revision, total = self._known.get(place, (-1, 0))
        if oldest <= revision <= current and current - revision <= _FEW + total // _SHARE:
            total += changed_since(connection, span, revision)
        else:
            total = number(connection, statements.count_present(span))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[place] = current, total
        return total


def changed_since(connection: Connection, span: Span, revision: int) -> int:
    """How many more objects `span` has than it had at `revision`."""
    come = number(connection, statements.count_come_since(span, revision))
    return come - number(connection, statements.count_gone_since(span, revision))


def number(connection: Connection, query: Query) -> int:
    return int(run(connection, *query).fetchone()[0])
