"""What is known of the pods that a batch of issuances is for, and what speaks against each of these.

- A certificate is of a pod because it is recorded as issued to it, or because its holder asked by means of one that is: to renew
  it, or for another one of its own names.
- What a registrar vouched for otherwise than for a pod is marked as of no pod: there is nobody to say whether it still holds, so
  that nothing follows from it.
- Nothing is recorded for a pod that was released. What the registrar has not vouched for is not recorded either, except where it is
  the registrar that asks: of names other than URIs, only registered ones. Names that policy gives to the holder of a pod's
  certificate, and which are not in that, are policy's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from store.bulk import Row
from store.errors import NamesNotRegistered, NotByItsHolder, PodMismatch, PodReleased, StoreError
from store.pod_rows import PodRow, add_pods, find_pods, keep_pod
from store.records import Issuance, PodRecord
from store.schema import certificates, pod_certificates

_UNNAMED = frozenset({"uri", "cn"})
_NO_POD = ""
"""In the place of a UID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holder:
    """Whose the certificate is by which another was asked for."""

    pod_uid: str
    node_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStanding:
    """`holders` by certificate id, and by serial in hexadecimal."""

    known: dict[str, PodRow]
    holders: dict[str, _Holder]

    @classmethod
    def of(cls, connection: Connection, issuances: Sequence[Issuance]) -> "PodStanding":
        holders = _holders(connection, issuances)
        uids = {holder.pod_uid for holder in holders.values()}
        uids |= {issuance.pod.pod.uid for issuance in issuances if issuance.pod is not None}
        return cls(known=find_pods(connection, uids), holders=holders)

    def released(self, issuance: Issuance) -> PodReleased | None:
        uid = self._uid(issuance)
        row = None if uid is None else self.known.get(uid)
        return None if row is None or row.record.released_at is None else PodReleased(row.record.uid)

    def refusal(self, issuance: Issuance) -> StoreError | None:
        uid = self._uid(issuance)
        if uid is None:
            return None
        if uid == _NO_POD:
            return NotByItsHolder()
        released = self.released(issuance)
        if released is not None:
            return released
        row = self.known.get(uid)
        if issuance.pod is not None and row is not None and row.record.identity != issuance.pod.pod.identity:
            return PodMismatch(uid)
        wanted = _held_names(issuance) if issuance.pod is None else issuance.pod.pod.dns_names
        missing = set(wanted).difference(() if row is None else row.record.dns_names)
        return NamesNotRegistered(uid, tuple(sorted(missing))) if missing else None

    def rows(self, issuances: Sequence[Issuance]) -> Iterator[Row]:
        """Of `pod_certificates`, for those that are of a pod."""
        for issuance in issuances:
            record, pod = issuance.certificate, issuance.pod
            if pod is not None:
                shown = pod.pod.uid, pod.pod.node_name, pod.credential_id, pod.key_fingerprint, pod.expires_at
                yield bytes.fromhex(record.id), *shown
            elif issuance.is_registrars_word:
                yield bytes.fromhex(record.id), _NO_POD, "", None, record.key_fingerprint, record.not_after
            elif holder := self._holder(issuance):
                kept = holder.pod_uid, holder.node_name, None, record.key_fingerprint, record.not_after
                yield bytes.fromhex(record.id), *kept

    def keep(self, connection: Connection, issuances: Sequence[Issuance]) -> None:
        """Remembers each pod for as long as what is recorded for it counts. The caller holds `Lock.APPEND`."""
        added: dict[str, PodRecord] = {}
        expiries: dict[str, int] = {}
        for issuance in issuances:
            uid = self._uid(issuance)
            if uid is None:
                continue
            expires_at = issuance.certificate.not_after if issuance.pod is None else issuance.pod.expires_at
            expiries[uid] = max(expires_at, expiries.get(uid, 0))
            if uid not in self.known and issuance.pod is not None:
                added.setdefault(uid, _unregistered(issuance.pod.pod))
        add_pods(connection, [(pod, expiries[uid]) for uid, pod in added.items()])
        for uid, row in self.known.items():
            if expiries.get(uid, 0) > row.expires_at:
                keep_pod(connection, uid, expiries[uid])

    def _uid(self, issuance: Issuance) -> str | None:
        if issuance.pod is not None:
            return issuance.pod.pod.uid
        holder = self._holder(issuance)
        return None if holder is None else holder.pod_uid

    def _holder(self, issuance: Issuance) -> _Holder | None:
        for mark in _marks(issuance) if self.holders else ():
            if mark in self.holders:
                return self.holders[mark]
        return None


def _holders(connection: Connection, issuances: Sequence[Issuance]) -> dict[str, _Holder]:
    followers = [issuance for issuance in issuances if issuance.pod is None]
    ids = {issuance.certificate.renewed_from for issuance in followers if issuance.certificate.renewed_from is not None}
    serials = {issuance.asked_with.serial for issuance in followers if issuance.asked_with is not None}
    if not ids and not serials:
        return {}
    columns = certificates.c
    query = (
        select(columns.id, columns.serial, pod_certificates.c.pod_uid, pod_certificates.c.node_name)
        .join(pod_certificates, pod_certificates.c.certificate_id == columns.id)
        .where(or_(columns.id.in_(ids), columns.serial.in_(serials)))
    )
    holders: dict[str, _Holder] = {}
    for row in connection.execute(query):
        holder = _Holder(pod_uid=row.pod_uid, node_name=row.node_name)
        holders |= {row.id: holder, row.serial.hex(): holder}
    return holders


def _marks(issuance: Issuance) -> Iterator[str]:
    if issuance.certificate.renewed_from is not None:
        yield issuance.certificate.renewed_from
    if issuance.asked_with is not None:
        yield issuance.asked_with.serial.hex()


def _held_names(issuance: Issuance) -> tuple[str, ...]:
    record, held = issuance.certificate, issuance.asked_with
    names = record.names if record.renewed_from is not None or held is None else held.names
    return tuple(value for kind, value in names if kind not in _UNNAMED)


def _unregistered(pod: PodRecord) -> PodRecord:
    return PodRecord(
        uid=pod.uid,
        namespace=pod.namespace,
        name=pod.name,
        service_account=pod.service_account,
        node_name=pod.node_name,
    )
