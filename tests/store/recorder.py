"""A process that records certificates and says which ones were acknowledged, until it is stopped or killed.

    python -m tests.store.recorder URL LABEL [--threads N] [--batches N] [--file-size OCTETS]

- Each acknowledged certificate is one line, written at once: `ack ID REQUEST-ID FINGERPRINT`.
- What the store refuses as retryable is tried again under the same request ids; `fault REASON` tells of it.
- With --file-size the first fault lifts the limit.
"""

import argparse
import itertools
import os
import resource
import threading
import time

from store.database import open_database
from store.errors import StorageFault
from store.inventory import Inventory
from store.records import CertificateRecord, Issuance
from tests.store.samples import issuance, octets


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("label")
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--batches", type=int)
    parser.add_argument("--file-size", type=int)
    arguments = parser.parse_args()
    database = open_database(arguments.url)
    if arguments.file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_size, resource.RLIM_INFINITY))
    threads = [
        threading.Thread(target=record, args=(Inventory(database), f"{arguments.label}-{number}", arguments.batches))
        for number in range(arguments.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    say("done")


def record(inventory: Inventory, label: str, batches: int | None) -> None:
    for number in range(batches) if batches is not None else itertools.count():
        batch = [fresh(label) for _ in range(number % 4 + 1)]
        for outcome in record_at_last(inventory, batch):
            assert isinstance(outcome, CertificateRecord), outcome
            say(f"ack {outcome.id} {outcome.request_id} {outcome.fingerprint.hex()}")


def fresh(label: str) -> Issuance:
    identity = octets(16, label).hex()
    return issuance(id=identity, serial=octets(16, label), fingerprint=octets(32, label), request_id=f"r-{identity}")


def record_at_last(inventory: Inventory, batch: list[Issuance]) -> tuple[object, ...]:
    while True:
        try:
            return inventory.record(batch)
        except StorageFault as fault:
            if not fault.retryable:
                raise
            say(f"fault {fault.reason}")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            time.sleep(0.05)


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
