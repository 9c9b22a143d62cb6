"""The inventory: every certificate that was issued, what became of it, and how to find it.

- A certificate is recorded before anybody sees it, and never removed.
- `record` and `revoke` return once their transaction, audit event included, is durable.
- Sequence numbers follow the order of commits, so that one who has read up to a number has missed nothing before it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    and_,
    desc,
    func,
    or_,
    select,
    type_coerce,
)

from store.audit import append_event
from store.certificate_rows import SELECT_CERTIFICATE, certificate_record
from store.database import Database
from store.errors import AlreadyRevoked, NotFound
from store.pages import clamp_page_size, decode_page_token, make_page
from store.recording import NotFresh, Outcome, record_fresh, record_judged
from store.records import (
    AuditEvent,
    CertificateFilter,
    CertificateRecord,
    CertificateState,
    InventoryCounts,
    Issuance,
    Page,
    Revocation,
)
from store.revoking import revoke_records
from store.schema import certificate_names, certificates

_COLUMNS = certificates.c
_REVOCATION = select(
    _COLUMNS.revocation_sequence.label("sequence"),
    _COLUMNS.id.label("certificate_id"),
    _COLUMNS.issuer_id,
    _COLUMNS.crl_shard,
    _COLUMNS.serial,
    _COLUMNS.key_fingerprint,
    _COLUMNS.not_after,
    _COLUMNS.revoked_at,
    _COLUMNS.revocation_reason.label("reason"),
)


class Inventory:
    """Issued certificates. Raises StorageFault leaves from every method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, issuances: Sequence[Issuance]) -> tuple[Outcome, ...]:
        """Records a batch in one durable transaction; one outcome for each issuance, in their order.

        - the record, with its sequence number;
        - the earlier record, where this requester's request_id was recorded before, in this batch or another: a retry;
        - DuplicateSerial, where the serial or id belongs to another certificate;
        - IssuerRetired, where its issuing CA no longer signs anything;
        - TokenSpent or TokenExpired (judged at `issued_at`), where its token cannot be spent; else it is spent now;
        - CredentialReused, where its pod's credential was used with another key before; else it belongs to this key now;
        - PodReleased, where its pod is gone: before all others, a retry too;
        - PodMismatch or NamesNotRegistered, where its pod is known as another, or has no right to its names;
        - NotByItsHolder, where it follows what a registrar vouched for otherwise than for a pod.

        An error outcome leaves the rest of the batch untouched. Where this raises, nothing was recorded, unless the
        error is StoreUnavailable with `outcome_unknown`.
        """
        batch = tuple(issuances)
        try:
            return self._database.write(lambda connection: record_fresh(connection, batch))
        except NotFresh:
            return self._database.write(lambda connection: record_judged(connection, batch))

    def find(self, id_or_serial: str) -> CertificateRecord:
        """By id, or by serial in hexadecimal. Raises NotFound."""
        return self._database.read(lambda connection: _find(connection, id_or_serial))

    def find_by_request(self, requester: str, request_id: str) -> CertificateRecord:
        """What was issued to this requester under this request_id. Raises NotFound."""
        query = SELECT_CERTIFICATE.where(_COLUMNS.requester == requester, _COLUMNS.request_id == request_id)
        row = self._database.read(lambda connection: connection.execute(query).mappings().first())
        if row is None:
            raise NotFound(kind="certificate", key=f"for request {request_id}")
        return certificate_record(row)

    def search(
        self,
        conditions: CertificateFilter | None = None,
        *,
        now: int,
        page_size: int = 100,
        page_token: str | None = None,
    ) -> Page[CertificateRecord]:
        """Newest first. A page token holds for the same conditions only. Raises InvalidPageToken."""
        wanted = conditions or CertificateFilter()
        before = decode_page_token(page_token, wanted)
        size = clamp_page_size(page_size)
        query = _matching(wanted, now).order_by(desc(_COLUMNS.sequence)).limit(size + 1)
        if before is not None:
            query = query.where(_COLUMNS.sequence < before)
        records = self._database.read(lambda connection: _records(connection, query))
        return make_page(records, size, wanted, lambda record: record.sequence or 0)

    def after(self, sequence: int, *, limit: int = 1000) -> tuple[CertificateRecord, ...]:
        """Certificates recorded after number `sequence`, oldest first: for those who follow along."""
        query = SELECT_CERTIFICATE.where(_COLUMNS.sequence > sequence).order_by(_COLUMNS.sequence).limit(limit)
        return tuple(self._database.read(lambda connection: _records(connection, query)))

    def revoke(self, id_or_serial: str, *, at: int, reason: int, event: AuditEvent) -> CertificateRecord:
        """Revokes for an RFC 5280 section 5.3.1 reason and appends `event`, in one durable transaction.

        Raises NotFound, AlreadyRevoked (with the record as it stands; nothing is appended).
        """
        return self._database.write(lambda connection: _revoke(connection, id_or_serial, at, reason, event))

    def revoked(self, issuer_id: str, shard: int | None, *, not_after_from: int) -> tuple[Revocation, ...]:
        """What a shard of a CRL lists, None meaning all: revoked, not expired before `not_after_from`; in order of revocation."""
        return self._database.read(self.listing(issuer_id, shard, not_after_from=not_after_from))

    @staticmethod
    def listing(
        issuer_id: str, shard: int | None, *, not_after_from: int
    ) -> Callable[[Connection], tuple[Revocation, ...]]:
        """The same, as an operation in another's transaction: see `Authorities.next_crl`."""
        query = _REVOCATION.where(
            _COLUMNS.issuer_id == issuer_id,
            _COLUMNS.not_after >= not_after_from,
            _COLUMNS.revoked_at.is_not(None),
        )
        if shard is not None:
            query = query.where(_COLUMNS.crl_shard == shard)
        return lambda connection: _revocations(connection, query)

    def revocations_after(self, sequence: int, *, limit: int = 1000) -> tuple[Revocation, ...]:
        """Revocations after number `sequence`, oldest first: how one replica learns of another's."""
        query = _REVOCATION.where(_COLUMNS.revocation_sequence > sequence).limit(limit)
        return self._database.read(lambda connection: _revocations(connection, query))

    def in_use(
        self, issuer_ids: Sequence[str], *, now: int, settle: int = 0, limit: int = 1
    ) -> tuple[CertificateRecord, ...]:
        """Certificates of these issuers on which somebody may still rely: valid at `now` and not followed by another, the last
        to end first. One is followed by its renewal, and by what its holder asked for in its place, once that was issued
        `settle` seconds ago; by nothing else, since whoever asks twice for the same may use both.

        Not among them are those that servers of the authority issued to themselves: they get others by themselves.
        """
        return self._database.read(
            lambda connection: tuple(_records(connection, _in_use(connection, issuer_ids, now, settle, limit)))
        )

    def counts(self, *, now: int) -> InventoryCounts:
        return self._database.read(lambda connection: _counts(connection, now))


def _find(connection: Connection, id_or_serial: str) -> CertificateRecord:
    try:
        octets = bytes.fromhex(id_or_serial)
    except ValueError as err:
        raise NotFound(kind="certificate", key=id_or_serial) from err
    query = SELECT_CERTIFICATE.where(or_(_COLUMNS.id == octets.hex(), _COLUMNS.serial == octets))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(kind="certificate", key=id_or_serial)
    return certificate_record(row)


def _revoke(connection: Connection, id_or_serial: str, at: int, reason: int, event: AuditEvent) -> CertificateRecord:
    append_event(connection, event)
    record = _find(connection, id_or_serial)
    if record.revoked_at is not None:
        raise AlreadyRevoked(record)
    revoke_records(connection, [record], at=at, reason=reason)
    return _find(connection, record.id)


def _matching(wanted: CertificateFilter, now: int) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.name is not None:
        named = select(certificate_names.c.sequence).where(certificate_names.c.value == wanted.name.lower())
        conditions.append(_COLUMNS.sequence.in_(named))
    for column in (_COLUMNS.profile, _COLUMNS.issuer_id, _COLUMNS.requester):
        value = getattr(wanted, column.name)
        if value is not None:
            conditions.append(column == value)
    if wanted.state is not None:
        conditions.append(_in_state(wanted.state, now))
    if wanted.expires_before is not None:
        conditions.append(_COLUMNS.not_after < wanted.expires_before)
    if wanted.expires_after is not None:
        conditions.append(_COLUMNS.not_after >= wanted.expires_after)
    return SELECT_CERTIFICATE.where(*conditions)


def _in_state(state: CertificateState, now: int) -> ColumnElement[bool]:
    """Both ends of a validity belong to it (RFC 5280 section 4.1.2.5): at `not_after` a certificate is still valid."""
    match state:
        case "revoked":
            return _COLUMNS.revoked_at.is_not(None)
        case "expired":
            return and_(_COLUMNS.revoked_at.is_(None), _COLUMNS.not_after < now)
        case "valid":
            return and_(_COLUMNS.revoked_at.is_(None), _COLUMNS.not_after >= now)


def _in_use(connection: Connection, issuer_ids: Sequence[str], now: int, settle: int, limit: int) -> Select[Any]:
    octets = type_coerce(_COLUMNS.id, LargeBinary)
    certificate_id = func.lower(func.hex(octets)) if connection.dialect.name == "sqlite" else func.encode(octets, "hex")
    own = and_(_COLUMNS.requester == "local", _COLUMNS.profile.in_(("server", "ocsp")))
    later = certificates.alias("later")
    followed = (later.c.renewed_from == certificate_id, later.c.issued_at <= now - settle)
    renewed = select(later.c.sequence).where(*followed).exists()
    conditions = (_COLUMNS.issuer_id.in_(issuer_ids), ~own, _in_state("valid", now), ~renewed)
    return SELECT_CERTIFICATE.where(*conditions).order_by(desc(_COLUMNS.not_after)).limit(limit)


def _counts(connection: Connection, now: int) -> InventoryCounts:
    valid = _in_state("valid", now)
    count, next_expiry = connection.execute(select(func.count(), func.min(_COLUMNS.not_after)).where(valid)).one()
    return InventoryCounts(
        total=connection.execute(select(func.count()).select_from(certificates)).scalar_one(),
        valid=count,
        revoked=connection.execute(select(func.count()).where(_in_state("revoked", now))).scalar_one(),
        next_expiry=next_expiry,
    )


def _records(connection: Connection, query: Select[Any]) -> list[CertificateRecord]:
    return [certificate_record(row) for row in connection.execute(query).mappings()]


def _revocations(connection: Connection, query: Select[Any]) -> tuple[Revocation, ...]:
    rows = connection.execute(query.order_by(_COLUMNS.revocation_sequence)).mappings()
    return tuple(Revocation(**row) for row in rows)
