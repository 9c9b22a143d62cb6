"""Rows of pods, read and written within somebody else's transaction.

- Whoever writes holds `Lock.APPEND`: a pod is released before a certificate of it is recorded, or after; never in between.
- A row without registered names is kept for as long as something of the pod may count, a released pod's until no token of it can.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, func, select, update

from store.bulk import Row, insert_rows
from store.records import PodRecord
from store.schema import pod_certificates, pods

FOREVER = 1 << 62
"""When a pod with registered names is forgotten: once it has been released."""

_COLUMNS = pods.c
SELECT_POD = select(pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRow:
    record: PodRecord
    expires_at: int


def pod_row(row: RowMapping) -> PodRow:
    """From a row of `SELECT_POD`."""
    record = PodRecord(
        uid=row["uid"],
        namespace=row["namespace"],
        name=row["name"],
        service_account=row["service_account"],
        node_name=row["node_name"],
        dns_names=tuple(row["dns_names"].split()),
        released_at=row["released_at"],
    )
    return PodRow(record=record, expires_at=row["expires_at"])


def find_pods(connection: Connection, uids: Collection[str]) -> dict[str, PodRow]:
    """Those that are known, by their UID."""
    if not uids:
        return {}
    rows = connection.execute(SELECT_POD.where(_COLUMNS.uid.in_(uids))).mappings()
    return {row["uid"]: pod_row(row) for row in rows}


def add_pods(connection: Connection, added: Iterable[tuple[PodRecord, int]]) -> None:
    """Pods that are not known yet, each with the second after which it is forgotten."""
    pending = list(added)
    if not pending:
        return
    last = connection.execute(select(func.coalesce(func.max(_COLUMNS.sequence), 0))).scalar_one()
    insert_rows(
        connection, pods, [_row(pod, expires_at, number) for number, (pod, expires_at) in enumerate(pending, last + 1)]
    )


def keep_pod(connection: Connection, uid: str, expires_at: int) -> None:
    connection.execute(update(pods).where(_COLUMNS.uid == uid).values(expires_at=expires_at))


def replace_pod(connection: Connection, pod: PodRecord, expires_at: int) -> None:
    change = update(pods).where(_COLUMNS.uid == pod.uid)
    connection.execute(
        change.values(
            node_name=pod.node_name,
            dns_names=" ".join(pod.dns_names),
            expires_at=expires_at,
            released_at=pod.released_at,
        )
    )


def last_expiry(connection: Connection, uid: str) -> int:
    """When the last certificate, or token, of the pod ends; 0 where there is none."""
    query = select(func.coalesce(func.max(pod_certificates.c.expires_at), 0))
    return int(connection.execute(query.where(pod_certificates.c.pod_uid == uid)).scalar_one())


def _row(pod: PodRecord, expires_at: int, sequence: int) -> Row:
    return (
        sequence,
        pod.uid,
        pod.namespace,
        pod.name,
        pod.service_account,
        pod.node_name,
        " ".join(pod.dns_names),
        expires_at,
        pod.released_at,
    )
