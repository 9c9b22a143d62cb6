"""Records a batch of issued certificates in one transaction.

- A batch of fresh certificates takes the short way: they are added, and unique indexes show that none was there before.
- Where one was, or where tokens are to be spent, each issuance is judged first, in the order of the batch.
- A service-account token counts for one key: for a second certificate of that key as well, for another key never again.
- Nothing of an issuing CA that has been retired is recorded, whoever signed it and whatever that process knew.
- Nothing for a pod that has been released is, not even the answer of before to a retry.
- What an issuance brings (certificate, names, sealed key, spent token, pod, audit event) is recorded together or not at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, or_, select, tuple_, update

from store.audit import append_events
from store.bulk import RowExists, fetch_row, fetch_rows, insert_rows
from store.certificate_rows import SELECT_CERTIFICATE, certificate_record, certificate_row, name_rows, numbered
from store.errors import CredentialReused, DuplicateSerial, IssuerRetired, StoreError, TokenExpired, TokenSpent
from store.locks import Lock, take_lock
from store.pod_standing import PodStanding
from store.records import CertificateRecord, Issuance, PodCertificate
from store.schema import certificate_names, certificates, pod_certificates, private_keys, tokens

Outcome = CertificateRecord | StoreError

_LAST = "SELECT coalesce(max(sequence), 0) FROM certificates"
_RETIRED = "SELECT id FROM authorities WHERE state = 'retired'"


class NotFresh(Exception):
    """Something of a batch was there before, or has to be judged."""


def record_fresh(connection: Connection, issuances: Sequence[Issuance]) -> tuple[Outcome, ...]:
    """The short way, an operation for `Database.write`. Raises NotFresh: roll back, and take `record_judged`."""
    if any(issuance.certificate.token_id or issuance.pod for issuance in issuances):
        raise NotFresh
    take_lock(connection, Lock.APPEND)
    if not _retired(connection).isdisjoint(issuance.certificate.issuer_id for issuance in issuances):
        raise NotFresh
    pods = PodStanding.of(connection, issuances)
    if any(pods.refusal(issuance) for issuance in issuances):
        raise NotFresh
    return _add(connection, issuances, pods)


def record_judged(connection: Connection, issuances: Sequence[Issuance]) -> tuple[Outcome, ...]:
    """The long way, an operation for `Database.write`: one outcome for each issuance, in their order."""
    take_lock(connection, Lock.APPEND)
    judgement = _Judgement.of(connection, issuances)
    verdicts = [judgement.judge(issuance) for issuance in issuances]
    accepted = [issuance for issuance, verdict in zip(issuances, verdicts, strict=True) if verdict is None]
    added = _add(connection, accepted, judgement.pods)
    _spend_tokens(connection, accepted)
    recorded = {record.id: record for record in added}
    return tuple(
        _answer(issuance.certificate if verdict is None else verdict, recorded)
        for issuance, verdict in zip(issuances, verdicts, strict=True)
    )


def _answer(verdict: Outcome, recorded: Mapping[str, CertificateRecord]) -> Outcome:
    """What was recorded now has its number by now; what was recorded earlier had it before."""
    return recorded.get(verdict.id, verdict) if isinstance(verdict, CertificateRecord) else verdict


def _add(connection: Connection, issuances: Sequence[Issuance], pods: PodStanding) -> tuple[CertificateRecord, ...]:
    """Raises NotFresh where one was there already: the transaction is to be rolled back."""
    if not issuances:
        return ()
    (last,) = fetch_row(connection, _LAST) or (0,)
    records = list(enumerate((issuance.certificate for issuance in issuances), last + 1))
    rows = [certificate_row(record, number) for number, record in records]
    try:
        insert_rows(connection, certificates, rows)
    except RowExists as err:
        raise NotFresh from err
    names = [row for number, record in records for row in name_rows(record, number)]
    insert_rows(connection, certificate_names, names)
    insert_rows(connection, private_keys, list(_key_rows(issuances)))
    insert_rows(connection, pod_certificates, list(pods.rows(issuances)))
    pods.keep(connection, issuances)
    append_events(connection, [issuance.event for issuance in issuances])
    return tuple(
        numbered(issuance.certificate, number, has_private_key=issuance.sealed_key is not None)
        for number, issuance in enumerate(issuances, last + 1)
    )


def _key_rows(issuances: Iterable[Issuance]) -> Iterable[tuple[object, ...]]:
    for issuance in issuances:
        key = issuance.sealed_key
        if key is not None:
            yield bytes.fromhex(key.certificate_id), key.sealed, key.owner, key.expires_at


@dataclass(slots=True)
class _Judgement:
    """What was there before the batch, and what the batch has used up so far."""

    by_request: dict[tuple[str, str], CertificateRecord]
    taken: set[bytes | str]
    """Serials and ids."""
    retired: set[str]
    """Ids of authorities."""
    token_expiries: dict[str, int]
    """Of tokens that can still be spent."""
    pods: PodStanding
    credential_keys: dict[str, set[bytes]]
    """Fingerprints of the keys that a service-account token was used with."""
    spent: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, connection: Connection, issuances: Sequence[Issuance]) -> "_Judgement":
        records = [issuance.certificate for issuance in issuances]
        earlier = _earlier(connection, records)
        return cls(
            by_request={
                (record.requester, record.request_id): record for record in earlier if record.request_id is not None
            },
            taken={mark for record in earlier for mark in (record.serial, record.id)},
            retired=_retired(connection),
            token_expiries=_spendable(connection, {record.token_id for record in records if record.token_id}),
            pods=PodStanding.of(connection, issuances),
            credential_keys=_credential_keys(connection, [issuance.pod for issuance in issuances]),
        )

    def judge(self, issuance: Issuance) -> Outcome | None:
        """None to accept. A retry comes before everything but the pod's release: it is answered even though its token is spent."""
        record = issuance.certificate
        released = self.pods.released(issuance)
        if released is not None:
            return released
        if record.request_id is not None:
            earlier = self.by_request.get((record.requester, record.request_id))
            if earlier is not None:
                return earlier
        refusal = self._refusal(record) or self.pods.refusal(issuance) or self._use_up(issuance)
        if refusal is not None:
            return refusal
        self.taken |= {record.serial, record.id}
        if record.request_id is not None:
            self.by_request[record.requester, record.request_id] = record
        return None

    def _refusal(self, record: CertificateRecord) -> StoreError | None:
        if record.issuer_id in self.retired:
            return IssuerRetired(record.issuer_id)
        if record.serial in self.taken or record.id in self.taken:
            return DuplicateSerial(serial=record.serial)
        return None

    def _use_up(self, issuance: Issuance) -> StoreError | None:
        """What counts once, or for one key."""
        record, pod = issuance.certificate, issuance.pod
        if record.token_id is not None:
            refusal = self._spend(record.token_id, record.issued_at)
            if refusal is not None:
                return refusal
        if pod is not None and pod.credential_id is not None:
            keys = self.credential_keys.setdefault(pod.credential_id, set())
            if keys and pod.key_fingerprint not in keys:
                return CredentialReused(pod.credential_id)
            keys.add(pod.key_fingerprint)
        return None

    def _spend(self, token_id: str, at: int) -> StoreError | None:
        expires_at = self.token_expiries.get(token_id)
        if expires_at is None or token_id in self.spent:
            return TokenSpent(token_id)
        if at >= expires_at:
            return TokenExpired(token_id)
        self.spent.add(token_id)
        return None


def _retired(connection: Connection) -> set[str]:
    return {authority_id for (authority_id,) in fetch_rows(connection, _RETIRED)}


def _earlier(connection: Connection, records: Sequence[CertificateRecord]) -> list[CertificateRecord]:
    columns = certificates.c
    requests = [(record.requester, record.request_id) for record in records if record.request_id is not None]
    query = SELECT_CERTIFICATE.where(
        or_(
            columns.serial.in_([record.serial for record in records]),
            columns.id.in_([record.id for record in records]),
            tuple_(columns.requester, columns.request_id).in_(requests),
        )
    )
    return [certificate_record(row) for row in connection.execute(query).mappings()]


def _spendable(connection: Connection, token_ids: set[str]) -> dict[str, int]:
    if not token_ids:
        return {}
    query = select(tokens.c.id, tokens.c.expires_at).where(
        tokens.c.id.in_(token_ids), tokens.c.spent_at.is_(None), tokens.c.deleted_at.is_(None)
    )
    return {row.id: row.expires_at for row in connection.execute(query)}


def _credential_keys(connection: Connection, pods: Iterable[PodCertificate | None]) -> dict[str, set[bytes]]:
    credentials = {pod.credential_id for pod in pods if pod is not None and pod.credential_id is not None}
    keys: dict[str, set[bytes]] = {}
    if credentials:
        columns = pod_certificates.c
        query = select(columns.credential_id, columns.key_fingerprint).where(columns.credential_id.in_(credentials))
        for row in connection.execute(query):
            keys.setdefault(row.credential_id, set()).add(row.key_fingerprint)
    return keys


def _spend_tokens(connection: Connection, accepted: Sequence[Issuance]) -> None:
    for issuance in accepted:
        record = issuance.certificate
        if record.token_id is not None:
            spend = update(tokens).where(tokens.c.id == record.token_id)
            connection.execute(spend.values(spent_at=record.issued_at, certificate_id=record.id))
