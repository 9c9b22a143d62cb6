"""Writes to a change log, in few words."""

import random

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.records import Key, Record, Write

FLUNDERS = "flunders.wardle.example"
FISCHERS = "fischers.wardle.example"


def key(name: str, namespace: str = "default", storage: str = FLUNDERS) -> Key:
    return Key(storage=storage, namespace=namespace, name=name)


def body_of(text: str) -> bytes:
    return b'{"spec":{"reference":"%s"}}' % text.encode()


def large_body(seed: object, octets: int = 400_000) -> bytes:
    """One that does not pack to less than half, so that it becomes a file."""
    return b'{"spec":{"blob":"%s"}}' % random.Random(str(seed)).randbytes(octets // 2).hex().encode()


def write(at: Key, *, expected: int = 0, label: str = "", body: bytes | None = b"", deletes: bool = False) -> Write:
    """`body` b"" stands for one that says the name and the label."""
    return Write(
        key=at,
        expected=expected,
        uid=f"uid-{at.namespace}-{at.name}",
        metadata=b'{"name":"%s","labels":{"label":"%s"}}' % (at.name.encode(), label.encode()),
        projection=b'{".spec.reference":"%s"}' % label.encode(),
        body=body_of(f"{at.name}/{label}") if body == b"" else body,
        deletes=deletes,
    )


def create(log: StoredChangeLog, name: str, namespace: str = "default", *, storage: str = FLUNDERS, **more) -> Record:
    return log.commit(write(key(name, namespace, storage), **more)).result(60)


def update(log: StoredChangeLog, record: Record, *, label: str = "changed", body: bytes | None = b"") -> Record:
    return log.commit(write(record.key, expected=record.revision, label=label, body=body)).result(60)


def delete(log: StoredChangeLog, record: Record) -> Record:
    return log.commit(write(record.key, expected=record.revision, body=None, deletes=True)).result(60)


def names(log: StoredChangeLog, *, namespace: str | None = None, at: int | None = None, storage: str = FLUNDERS):
    """(namespace, name, revision) of all that is listed, in order, page by page."""
    found: list[tuple[str, str, int]] = []
    after = None
    while True:
        page = log.page(storage, namespace=namespace, at=at, after=after, limit=2, with_bodies=False)
        found += [(one.key.namespace, one.key.name, one.revision) for one in page.records]
        if not page.more:
            return found
        at, after = page.revision, found[-1][:2]
