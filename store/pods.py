"""Pods as the cluster's registrar vouches for them: which DNS names they may have, and which pods are gone.

- What becomes of a pod and what is recorded for it are ordered by one lock: a certificate was recorded before its pod was
  released, and is revoked with it, or it is not recorded.
- A pod that was released stays known until no token of it can count any more.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, and_, delete, desc, or_, select

from store.audit import append_events
from store.certificate_rows import SELECT_CERTIFICATE, certificate_record
from store.database import Database
from store.errors import PodMismatch, PodReleased
from store.locks import Lock, take_lock
from store.pages import clamp_page_size, decode_page_token, make_page
from store.pod_rows import FOREVER, SELECT_POD, add_pods, find_pods, last_expiry, pod_row, replace_pod
from store.records import AuditEvent, CertificateRecord, Page, PodRecord
from store.revoking import revoke_records
from store.schema import certificates, pod_certificates, pods

_LISTING = "pods"

Events = Callable[[Sequence[CertificateRecord]], Sequence[AuditEvent]]
"""What is to be written down about a pod's release, which revokes these certificates."""


class Pods:
    """Pods by their UID. Raises StorageFault leaves from every method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, uid: str) -> PodRecord | None:
        found = self._database.read(lambda connection: find_pods(connection, [uid]))
        return found[uid].record if uid in found else None

    def register(self, pod: PodRecord, event: AuditEvent) -> None:
        """Puts node and names in the place of those that are known, and appends `event`, in one durable transaction.

        Raises PodReleased, PodMismatch.
        """
        self._database.write(lambda connection: _register(connection, pod, event))

    def release(
        self, uid: str, *, at: int, reason: int, kept_until: int, kept_beyond: int, events: Events
    ) -> tuple[CertificateRecord, ...]:
        """Revokes what the pod holds, forgets its names and lets it have nothing more, in one durable transaction.

        Returns what was revoked by it, as it was before: nothing where the pod was released already. It stays known until
        `kept_until`, and for `kept_beyond` seconds after its last certificate or token ends. An RFC 5280 section 5.3.1 reason.
        """
        return self._database.write(
            lambda connection: _release(connection, uid, at, reason, kept_until, kept_beyond, events)
        )

    def page(self, *, now: int, page_size: int = 100, page_token: str | None = None) -> Page[PodRecord]:
        """Those that hold certificates which count at `now`, or have registered names; newest first. Raises InvalidPageToken."""
        before = decode_page_token(page_token, _LISTING)
        size = clamp_page_size(page_size)
        query = (
            SELECT_POD.where(pods.c.released_at.is_(None), or_(pods.c.dns_names != "", _holds_something(now)))
            .order_by(desc(pods.c.sequence))
            .limit(size + 1)
        )
        if before is not None:
            query = query.where(pods.c.sequence < before)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        page = make_page(rows, size, _LISTING, lambda row: int(row["sequence"]))
        return Page(items=tuple(pod_row(row).record for row in page.items), next_token=page.next_token)

    def purge(self, before: int) -> int:
        """Forgets pods of which nothing has counted since `before`, durably; returns how many those were."""
        query = delete(pods).where(pods.c.expires_at < before)
        return self._database.write(lambda connection: connection.execute(query).rowcount)


def _register(connection: Connection, pod: PodRecord, event: AuditEvent) -> None:
    take_lock(connection, Lock.APPEND)
    known = find_pods(connection, [pod.uid]).get(pod.uid)
    if known is not None and known.record.released_at is not None:
        raise PodReleased(pod.uid)
    if known is not None and known.record.identity != pod.identity:
        raise PodMismatch(pod.uid)
    expires_at = FOREVER if pod.dns_names else max(last_expiry(connection, pod.uid), event.at)
    if known is None:
        add_pods(connection, [(pod, expires_at)])
    else:
        replace_pod(connection, pod, expires_at)
    append_events(connection, [event])


def _release(
    connection: Connection, uid: str, at: int, reason: int, kept_until: int, kept_beyond: int, events: Events
) -> tuple[CertificateRecord, ...]:
    take_lock(connection, Lock.APPEND)
    known = find_pods(connection, [uid]).get(uid)
    held = _held(connection, uid, at)
    if known is not None and known.record.released_at is not None and not held:
        return ()
    revoke_records(connection, held, at=at, reason=reason)
    expires_at = max(kept_until, last_expiry(connection, uid) + kept_beyond)
    if known is None:
        gone = PodRecord(uid=uid, namespace="", name="", service_account="", node_name="", released_at=at)
        add_pods(connection, [(gone, expires_at)])
    else:
        replace_pod(connection, replace(known.record, dns_names=(), released_at=at), expires_at)
    append_events(connection, events(held))
    return held


def _held(connection: Connection, uid: str, at: int) -> tuple[CertificateRecord, ...]:
    query = (
        SELECT_CERTIFICATE.join(pod_certificates, pod_certificates.c.certificate_id == certificates.c.id)
        .where(pod_certificates.c.pod_uid == uid, certificates.c.revoked_at.is_(None), certificates.c.not_after >= at)
        .order_by(certificates.c.sequence)
    )
    return tuple(certificate_record(row) for row in connection.execute(query).mappings())


def _holds_something(now: int) -> ColumnElement[bool]:
    held = select(pod_certificates.c.certificate_id).join(
        certificates, certificates.c.id == pod_certificates.c.certificate_id
    )
    return held.where(
        and_(
            pod_certificates.c.pod_uid == pods.c.uid,
            certificates.c.revoked_at.is_(None),
            certificates.c.not_after >= now,
        )
    ).exists()
