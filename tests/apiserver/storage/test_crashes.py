"""What was acknowledged survives: SIGKILL amid large writes, compaction and sweeps; a file size limit; a server that crashes."""

import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import FILE_GRACE, FileSweeper
from apiserver.storage.opening import open_change_log
from tests.apiserver.storage.samples import FLUNDERS, key
from tests.apiserver.storage.test_compaction import NOON
from tests.servers.postgresql import make_server
from tests.threads import join

ROOT = Path(__file__).parents[3]


class Committer:
    """A writing process and what it has said so far."""

    def __init__(self, *arguments: object) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.apiserver.storage.committer", *map(str, arguments)],
            stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def acknowledged(self) -> int:
        return sum(line.startswith("ack ") for line in self.lines)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.acknowledged() >= count, 60), self.lines[-5:]

    def kill(self) -> None:
        self._process.kill()
        self.finish()

    def finish(self) -> int:
        join(self._reader)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(60)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                with self._changed:
                    self.lines.append(line[:-1])
                    self._changed.notify_all()


class Ledger:
    """What each object may be, from what a committer has said."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.under_way: dict[str, str] = {}
        self.newest = 1

    def take(self, lines: list[str]) -> None:
        for line in lines:
            match line.split():
                case ["try", name, digest]:
                    self.under_way[name] = digest
                case ["ack", name, digest, revision]:
                    self.acknowledged[name] = digest, int(revision)
                    self.newest = max(self.newest, int(revision))
                    del self.under_way[name]

    def verify(self, log: StoredChangeLog) -> None:
        """Each object is as acknowledged, or as the one write made it that nobody had heard of yet."""
        assert log.current_revision() >= self.newest
        self.newest = log.current_revision()
        reader = StoredChangeLog(log.database, log.files, cache_octets=0)
        for name in self.acknowledged.keys() | self.under_way.keys():
            record = reader.get(key(name))
            digest, revision = self.acknowledged.get(name, ("-", 0))
            found = "-" if record is None else hashlib.sha256(record.body.inline or b"").hexdigest()
            assert found in {digest, self.under_way.get(name, digest)}, name
            assert record is None or record.revision == revision or found == self.under_way[name]
        listed = reader.page(FLUNDERS, namespace=None, at=None, after=None, limit=500, with_bodies=False).records
        assert {record.key.name for record in listed} <= self.acknowledged.keys() | self.under_way.keys()
        for name in list(self.under_way):
            record = log.get(key(name))
            found = "-" if record is None else hashlib.sha256(record.body.inline or b"").hexdigest()
            self.acknowledged[name] = found, 0 if record is None else record.revision
        self.under_way.clear()


def verify_files(log: StoredChangeLog, directory: Path) -> None:
    """Nothing is half-written, and what no row refers to goes."""
    assert list((directory / "bodies" / "incoming").iterdir()) == []
    assert log.files is not None
    sweeper = FileSweeper(log.database, log.files)
    sweeper.sweep(NOON)
    sweeper.sweep(NOON + FILE_GRACE)
    referred = log.database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT DISTINCT digest FROM object_bodies WHERE digest IS NOT NULL"
        ).scalars().all()
    )  # fmt: skip
    assert {path.name for path in (directory / "bodies").glob("??/*")} == {bytes(one).hex() for one in referred}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_kill_at_random_instants_loses_nothing_acknowledged(url, directory):
    instants, ledger = random.Random("kill -9"), Ledger()
    total = 0

    for round_ in range(8):
        committer = Committer(url, directory, f"round-{round_}")
        committer.wait_for(instants.randrange(1, 60))
        time.sleep(instants.uniform(0, 0.05))  # not at an acknowledgement, but anywhere between two
        committer.kill()
        total += committer.acknowledged()
        ledger.take(committer.lines)
        log = open_change_log(url, directory)
        log.database.verify_integrity()
        ledger.verify(log)
        if log.files is not None:
            verify_files(log, directory)
        log.close()

    assert total > 100


@pytest.mark.slow
def test_file_that_may_not_grow_is_a_fault_and_no_loss(sqlite_url, directory):
    """Of a body's file, at first, for the database has room in its own."""
    ledger = Ledger()

    committer = Committer(sqlite_url, directory, "limited", "--file-size", 150_000, "--writes", 40)

    assert committer.finish() == 0
    assert committer.lines[-1] == "done"
    assert {"fault STORE_UNAVAILABLE", "fault STORE_FULL"} & set(committer.lines)
    assert not [line for line in committer.lines if line.startswith("stale")]
    ledger.take(committer.lines)
    log = open_change_log(sqlite_url, directory)
    log.database.verify_integrity()
    ledger.verify(log)
    verify_files(log, directory)
    log.close()


@pytest.mark.postgresql
@pytest.mark.slow
def test_crash_of_the_database_server_loses_nothing_acknowledged(directory):
    with tempfile.TemporaryDirectory(prefix="pg-") as place:
        server = make_server(Path(place))
        url, ledger = server.create_database(), Ledger()
        committer = Committer(url, directory, "crash")
        committer.wait_for(30)

        server.stop(signal.SIGQUIT)
        server.start()
        committer.wait_for(committer.acknowledged() + 30)
        committer.kill()

        assert "fault STORE_UNAVAILABLE" in committer.lines
        ledger.take(committer.lines)
        unsure = ledger.under_way.keys() | {line.split()[1] for line in committer.lines if line.startswith("stale")}
        log = open_change_log(url, directory)
        assert log.current_revision() >= ledger.newest
        for name in ledger.acknowledged.keys() - unsure:
            digest, revision = ledger.acknowledged[name]
            record = log.get(key(name))
            found = "-" if record is None else hashlib.sha256(record.body.inline or b"").hexdigest()
            assert found == digest
            assert record is None or record.revision == revision
        log.close()
        server.stop()
