"""Requests for issuing CAs that wait for a certificate, signed where the root's key is. One at a time."""

from sqlalchemy import Connection, delete, insert, select

from store.audit import append_event
from store.locks import Lock, take_lock
from store.records import AuditEvent, IssuerRequest
from store.schema import issuer_requests


def waiting_request(connection: Connection) -> IssuerRequest | None:
    row = connection.execute(select(issuer_requests)).mappings().first()
    return None if row is None else IssuerRequest(**row)


def keep_request(
    connection: Connection, request: IssuerRequest, event: AuditEvent, *, instead_of: str | None
) -> IssuerRequest:
    """The one that waits: this, where none does or `instead_of` did."""
    take_lock(connection, Lock.APPEND)
    waiting = waiting_request(connection)
    if waiting is not None and waiting.authority_id != instead_of:
        return waiting
    connection.execute(delete(issuer_requests))
    values = {name: getattr(request, name) for name in IssuerRequest.__slots__}
    connection.execute(insert(issuer_requests).values(**values))
    append_event(connection, event)
    return request


def forget_request(connection: Connection, authority_id: str) -> None:
    connection.execute(delete(issuer_requests).where(issuer_requests.c.authority_id == authority_id))
