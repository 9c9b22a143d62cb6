"""Requests for issuing CAs that wait for a certificate, signed where the root's key is. One at a time for the same profiles."""

from sqlalchemy import Connection, delete, insert, select

from store.audit import append_event
from store.locks import Lock, take_lock
from store.records import AuditEvent, IssuerRequest
from store.schema import issuer_requests


def waiting_requests(connection: Connection) -> tuple[IssuerRequest, ...]:
    rows = connection.execute(select(issuer_requests).order_by(issuer_requests.c.serves)).mappings()
    return tuple(IssuerRequest(**row) for row in rows)


def keep_request(
    connection: Connection, request: IssuerRequest, event: AuditEvent, *, instead_of: str | None
) -> IssuerRequest:
    """The one that waits for these profiles: this, where none does or `instead_of` did."""
    take_lock(connection, Lock.APPEND)
    waiting = next((one for one in waiting_requests(connection) if one.serves == request.serves), None)
    if waiting is not None and waiting.authority_id != instead_of:
        return waiting
    connection.execute(delete(issuer_requests).where(issuer_requests.c.serves == request.serves))
    values = {name: getattr(request, name) for name in IssuerRequest.__slots__}
    connection.execute(insert(issuer_requests).values(**values))
    append_event(connection, event)
    return request


def forget_request(connection: Connection, authority_id: str) -> None:
    connection.execute(delete(issuer_requests).where(issuer_requests.c.authority_id == authority_id))
