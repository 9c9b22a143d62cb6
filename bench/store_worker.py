"""Records certificates in one process, for `bench.store`, which starts it with and without the slow disk.

Arguments: database URL, seconds for each batch size. One line of JSON for each batch size on standard output.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.cpu import compare
from bench.crypto import raw_variants
from store.database import open_database
from store.inventory import Inventory
from store.records import AuditEvent, CertificateRecord, Issuance

BATCH_SIZES = (1, 8, 32, 64)
_NOW = 1_800_000_000
_DER_OCTETS = 760


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Rows of one batch size; `cpu_ratio` is CPU time of this process for a row, in raw signatures of the same process."""

    batch_size: int
    rows_per_second: float
    cpu_microseconds: float
    cpu_ratio: float


def main(url: str, seconds: float) -> None:
    database = open_database(url)
    inventory = Inventory(database)
    try:
        for size in BATCH_SIZES:
            print(json.dumps(asdict(measure(inventory, size, seconds))), flush=True)
    finally:
        database.close()


def measure(inventory: Inventory, batch_size: int, seconds: float) -> Recorded:
    signature = compare(raw_variants(), reference="sign", rounds=8, slice_seconds=0.02)["sign"].microseconds
    batches = [_batch(batch_size) for _ in range(4)]
    rows, cpu, wall = 0, 0.0, 0.0
    while wall < seconds:
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        for batch in batches:
            inventory.record(batch)
        wall += time.perf_counter() - wall_before
        cpu += time.process_time() - cpu_before
        rows += batch_size * len(batches)
        batches = [_batch(batch_size) for _ in range(4)]
    microseconds = cpu / rows * 1e6
    return Recorded(
        batch_size=batch_size,
        rows_per_second=rows / wall,
        cpu_microseconds=microseconds,
        cpu_ratio=microseconds / signature,
    )


def _batch(size: int) -> Sequence[Issuance]:
    return [_issuance() for _ in range(size)]


def _issuance() -> Issuance:
    """A server certificate with three names and its audit event, as the authority records them."""
    identifier = _time_ordered().hex()
    name = f"service-{identifier[:8]}"
    record = CertificateRecord(
        sequence=None,
        id=identifier,
        serial=_time_ordered(),
        issuer_id="0" * 32,
        profile="server",
        subject=f"CN={name}",
        names=(
            ("dns", f"{name}.bench.svc"),
            ("dns", f"{name}.bench.svc.cluster.local"),
            ("ip", "10.0.0.1"),
            ("cn", name),
        ),
        not_before=_NOW,
        not_after=_NOW + 86_400,
        key_fingerprint=os.urandom(32),
        fingerprint=os.urandom(32),
        der=os.urandom(_DER_OCTETS),
        requester="admin",
        request_id=None,
        token_id=None,
        issued_at=_NOW,
        crl_shard=0,
        renewed_from=None,
    )
    event = AuditEvent(
        sequence=None,
        at=_NOW,
        action="certificate.issue",
        actor="admin",
        subject_id=identifier,
        request_id=None,
        details=json.dumps({"profile": "server", "subject": record.subject, "sha256": record.fingerprint.hex()}),
        chain_hash=None,
    )
    return Issuance(certificate=record, event=event, sealed_key=None)


def _time_ordered() -> bytes:
    """16 octets that begin with the time, as ids and serials do."""
    return (time.time_ns() // 15_625_000).to_bytes(5) + os.urandom(11)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
