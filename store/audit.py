"""The audit trail: append only, numbered in the order of commits, chained by hashes.

- An event is appended in the transaction of the act that it tells of: neither exists without the other.
- Whoever appends holds `Lock.APPEND` to the end of the transaction: one chain, whatever the number of replicas.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, desc, select

from store.bulk import fetch_row, insert_rows
from store.chain import GENESIS, chained, verify_links
from store.database import Database
from store.errors import AuditChainBroken
from store.locks import Lock, take_lock
from store.pages import clamp_page_size, decode_page_token, make_page
from store.records import AuditEvent, Page
from store.schema import audit_events, certificates

_CHUNK = 1000
_HEAD = "SELECT sequence, chain_hash FROM audit_events ORDER BY sequence DESC LIMIT 1"


class AuditTrail:
    """What was done, by whom and when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, event: AuditEvent) -> AuditEvent:
        """One durable transaction. For acts that change nothing else in the store, such as a refusal."""
        return self._database.write(lambda connection: append_event(connection, event))

    def page(
        self, *, page_size: int = 100, page_token: str | None = None, subject_id: str | None = None
    ) -> Page[AuditEvent]:
        """Newest first; of one subject where `subject_id` is given. Raises InvalidPageToken."""
        listing = ("audit", subject_id)
        before = decode_page_token(page_token, listing)
        size = clamp_page_size(page_size)
        query = select(audit_events).order_by(desc(audit_events.c.sequence)).limit(size + 1)
        if subject_id is not None:
            query = query.where(audit_events.c.subject_id == subject_id)
        if before is not None:
            query = query.where(audit_events.c.sequence < before)
        events = self._database.read(lambda connection: _events(connection, query))
        return make_page(events, size, listing, lambda event: event.sequence or 0)

    def verify_chain(self) -> int:
        """Checks every event on one snapshot and returns how many there are. Raises AuditChainBroken."""
        return self._database.read(verify_chain)

    def verify_complete(self) -> int:
        """As `verify_chain`, and that there is an event that tells of the newest certificate: so it shows where the newest events
        were taken away, though not where their certificates were, too. Raises AuditChainBroken."""
        return self._database.read(_verify_complete)


def append_event(connection: Connection, event: AuditEvent) -> AuditEvent:
    """Takes `Lock.APPEND`: call it, or the lock, ahead of any other query of the transaction."""
    take_lock(connection, Lock.APPEND)
    ((sequence, link),) = append_events(connection, [event])
    return AuditEvent(
        sequence=sequence,
        at=event.at,
        action=event.action,
        actor=event.actor,
        subject_id=event.subject_id,
        request_id=event.request_id,
        details=event.details,
        chain_hash=link,
    )


def append_events(connection: Connection, events: Sequence[AuditEvent]) -> list[tuple[int, bytes]]:
    """Returns each event's (sequence, chain hash). The caller holds `Lock.APPEND`."""
    last, previous = fetch_row(connection, _HEAD) or (0, GENESIS)
    rows = [
        (sequence, event.at, event.action, event.actor, event.subject_id, event.request_id, event.details, link)
        for sequence, event, link in chained(events, sequence=last + 1, previous=previous)
    ]
    insert_rows(connection, audit_events, rows)
    return [(row[0], row[-1]) for row in rows]


def verify_chain(connection: Connection) -> int:
    """As `AuditTrail.verify_chain`, within a transaction."""
    count, previous = 0, GENESIS
    while True:
        query = (
            select(audit_events).where(audit_events.c.sequence > count).order_by(audit_events.c.sequence).limit(_CHUNK)
        )
        events = _events(connection, query)
        if not events:
            return count
        previous = verify_links(events, sequence=count + 1, previous=previous)
        count += len(events)


def _verify_complete(connection: Connection) -> int:
    count = verify_chain(connection)
    newest = connection.execute(select(certificates.c.id).order_by(desc(certificates.c.sequence)).limit(1)).scalar()
    if newest is not None and not _events(connection, select(audit_events).where(audit_events.c.subject_id == newest)):
        raise AuditChainBroken(count + 1)
    return count


def _events(connection: Connection, query: Select[Any]) -> list[AuditEvent]:
    return [AuditEvent(**row) for row in connection.execute(query).mappings()]
