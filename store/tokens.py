"""One-time tokens: who may get one certificate without having one yet.

- The store keeps a hash of the secret, never the secret.
- A token is spent by `Inventory.record`, in the transaction that records its certificate: once, whatever races.
"""

from sqlalchemy import Connection, desc, func, insert, select, update

from store.audit import append_event
from store.database import Database
from store.errors import AlreadyExists, NotFound
from store.pages import clamp_page_size, decode_page_token, make_page
from store.records import AuditEvent, Page, TokenRecord
from store.schema import tokens

_TOKEN = select(*(column for column in tokens.c if column.name != "sequence"))


class Tokens:
    """One-time tokens, by their id. Withdrawn and spent ones stay, for the record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: TokenRecord, event: AuditEvent) -> TokenRecord:
        """Adds the token and appends `event`, in one durable transaction. Raises AlreadyExists."""
        return self._database.write(lambda connection: _add(connection, token, event))

    def find(self, token_id: str) -> TokenRecord:
        """Spent, expired and withdrawn ones as well: the caller looks at the times. Raises NotFound."""
        return self._database.read(lambda connection: _find(connection, token_id))

    def page(self, *, page_size: int = 100, page_token: str | None = None) -> Page[TokenRecord]:
        """Newest first, all states. Raises InvalidPageToken."""
        before = decode_page_token(page_token, "tokens")
        size = clamp_page_size(page_size)
        query = select(tokens).order_by(desc(tokens.c.sequence)).limit(size + 1)
        if before is not None:
            query = query.where(tokens.c.sequence < before)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        page = make_page(rows, size, "tokens", lambda row: int(row["sequence"]))
        items = tuple(
            TokenRecord(**{name: value for name, value in row.items() if name != "sequence"}) for row in page.items
        )
        return Page(items=items, next_token=page.next_token)

    def delete(self, token_id: str, *, at: int, event: AuditEvent) -> TokenRecord:
        """Withdraws the token and appends `event`, in one durable transaction. Raises NotFound where it is gone."""
        return self._database.write(lambda connection: _delete(connection, token_id, at, event))


def _add(connection: Connection, token: TokenRecord, event: AuditEvent) -> TokenRecord:
    append_event(connection, event)
    if connection.execute(select(tokens.c.id).where(tokens.c.id == token.id)).first() is not None:
        raise AlreadyExists(kind="token", key=token.id)
    last = connection.execute(select(func.coalesce(func.max(tokens.c.sequence), 0))).scalar_one()
    fields = {name: getattr(token, name) for name in TokenRecord.__slots__}
    connection.execute(insert(tokens).values(sequence=last + 1, **fields))
    return token


def _delete(connection: Connection, token_id: str, at: int, event: AuditEvent) -> TokenRecord:
    append_event(connection, event)
    if _find(connection, token_id).deleted_at is not None:
        raise NotFound(kind="token", key=token_id)
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(deleted_at=at))
    return _find(connection, token_id)


def _find(connection: Connection, token_id: str) -> TokenRecord:
    row = connection.execute(_TOKEN.where(tokens.c.id == token_id)).mappings().first()
    if row is None:
        raise NotFound(kind="token", key=token_id)
    return TokenRecord(**row)
