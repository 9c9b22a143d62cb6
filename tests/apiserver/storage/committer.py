"""A process that writes to a change log and says what was acknowledged, until it is done or killed.

    python -m tests.apiserver.storage.committer URL DIRECTORY LABEL [--threads N] [--writes N] [--file-size OCTETS]

- Each thread has objects of its own. Before a write it says `try NAME DIGEST`, after it `ack NAME DIGEST REVISION`; the digest is
  that of the body, `-` for a deletion.
- History is compacted and files are swept all the while, as if ten minutes passed with each sweep.
- With --file-size the first fault lifts the limit; a write that was refused is tried again.
"""

import argparse
import hashlib
import os
import random
import resource
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import FILE_GRACE, FileSweeper, compact
from apiserver.storage.opening import DataDirectory, open_change_log
from apiserver.storage.records import Record, StaleWrite
from store.errors import StorageFault
from tests.apiserver.storage.samples import body_of, key, large_body, write

OBJECTS = 4  # of each thread


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("directory", type=Path)
    parser.add_argument("label")
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--writes", type=int, default=1_000_000)
    parser.add_argument("--file-size", type=int)
    arguments = parser.parse_args()
    with DataDirectory(arguments.directory):
        log = open_change_log(arguments.url, arguments.directory)
        if arguments.file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_size, resource.RLIM_INFINITY))
        ended = threading.Event()
        cleaner = threading.Thread(target=clean, args=(log, ended))
        writers = [
            threading.Thread(target=write_on, args=(log, number, arguments.label, arguments.writes))
            for number in range(arguments.threads)
        ]
        for thread in [cleaner, *writers]:
            thread.start()
        for thread in writers:
            thread.join()
        ended.set()
        cleaner.join()
        log.close()
    say("done")


def write_on(log: StoredChangeLog, thread: int, label: str, count: int) -> None:
    rng = random.Random(f"{label}/{thread}")
    for number in range(count):
        name = f"n{thread}-{rng.randrange(OBJECTS)}"
        current = log.get(key(name), with_body=False)
        if current is not None and rng.random() < 0.15:
            body = None
        elif rng.random() < 0.5:
            body = large_body(f"{label}/{thread}/{number % 7}", rng.randrange(200_000, 900_000))
        else:
            body = body_of(f"{label}/{number}" * rng.randrange(1, 500))
        commit(log, name, current, body)


def commit(log: StoredChangeLog, name: str, current: Record | None, body: bytes | None) -> None:
    digest = "-" if body is None else hashlib.sha256(body).hexdigest()
    say(f"try {name} {digest}")
    expected = 0 if current is None else current.revision
    while True:
        try:
            record = log.commit(write(key(name), expected=expected, body=body, deletes=body is None)).result(60)
        except StorageFault as fault:
            say(f"fault {fault.reason}")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            time.sleep(0.02)
        except StaleWrite:  # what was said to have failed may have been done
            say(f"stale {name}")
            return
        else:
            say(f"ack {name} {digest} {record.revision}")
            return


def clean(log: StoredChangeLog, ended: threading.Event) -> None:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    sweeper = None if log.files is None else FileSweeper(log.database, log.files)
    while not ended.wait(0.01):
        try:
            compact(log.database, log.current_revision())
            if sweeper is not None:
                sweeper.sweep(now)
        except StorageFault as fault:
            say(f"fault {fault.reason}")
        now += FILE_GRACE


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
