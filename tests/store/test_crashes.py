"""What was acknowledged survives: SIGKILL at random instants, two processes at once, a server that crashes, a full disk."""

import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.audit import AuditTrail
from store.database import open_database
from store.inventory import Inventory
from tests.servers.postgresql import PostgresqlServer, make_server
from tests.store.samples import ALICE, NOW

ROOT = Path(__file__).parents[2]


class Recorder:
    """A recording process and what it has said so far."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.recorder", *arguments], stdout=subprocess.PIPE, cwd=ROOT
        )

    @property
    def acknowledged(self) -> list[tuple[str, str, str]]:
        return [tuple(line.split()[1:]) for line in self.lines if line.startswith("ack ")]  # type: ignore[misc]

    def read_for(self, seconds: float) -> None:
        """Reads until then, or until the process ends."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + seconds
            while selector.select(max(0.0, deadline - time.monotonic())):
                if not self._take(self._process.stdout.fileno()):
                    return

    def read_until(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < count:
            assert time.monotonic() < deadline, "the recorder records nothing"
            assert self._process.poll() is None, "the recorder has ended"
            self.read_for(0.02)

    def kill(self) -> None:
        self._process.kill()
        self.finish()

    def finish(self) -> int:
        """Reads all that there is to come."""
        self.read_for(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(timeout=60)

    def _take(self, descriptor: int) -> bytes:
        octets = os.read(descriptor, 1 << 16)
        *lines, self._rest = (self._rest + octets).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return octets


def verify_recorded(url: str, acknowledged: list[tuple[str, str, str]]) -> None:
    """Everything acknowledged is there, once, and the database is sound."""
    database = open_database(url)
    inventory = Inventory(database)
    database.verify_integrity()
    kept = {record.id: record for record in _all(inventory)}
    assert not {identity for identity, _, _ in acknowledged} - kept.keys()
    for identity, request_id, fingerprint in acknowledged:
        assert kept[identity].fingerprint.hex() == fingerprint
        assert kept[identity].request_id == request_id
    assert [record.sequence for record in kept.values()] == list(range(1, len(kept) + 1))
    assert len({record.request_id for record in kept.values()}) == len(kept)
    assert AuditTrail(database).verify_chain() == len(kept) == inventory.counts(now=NOW).total
    some = next(iter(kept.values()))
    assert inventory.find_by_request(ALICE, str(some.request_id)) == some
    database.close()


def _all(inventory: Inventory) -> Iterator:
    last = 0
    while records := inventory.after(last):
        yield from records
        last = records[-1].sequence or 0


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_kill_at_random_instants_loses_nothing_acknowledged(url: str) -> None:
    instants = random.Random("kill -9")
    acknowledged: list[tuple[str, str, str]] = []

    for round_ in range(6):
        recorder = Recorder(url, f"round-{round_}")
        recorder.read_until(instants.randrange(15, 60))
        recorder.read_for(instants.uniform(0, 0.1))  # not at an acknowledgement, but anywhere between two
        recorder.kill()
        acknowledged += recorder.acknowledged
        verify_recorded(url, acknowledged)

    assert len(acknowledged) > 100


def test_two_processes_share_one_database(url: str) -> None:
    recorders = [Recorder(url, f"process-{number}", "--batches", "30", "--threads", "2") for number in range(2)]

    assert [recorder.finish() for recorder in recorders] == [0, 0]
    verify_recorded(url, recorders[0].acknowledged + recorders[1].acknowledged)
    assert len(recorders[0].acknowledged) == len(recorders[1].acknowledged) == 2 * sum(n % 4 + 1 for n in range(30))


def test_file_that_may_not_grow_is_a_fault_and_no_loss(sqlite_path: Path) -> None:
    url = f"sqlite://{sqlite_path}"

    recorder = Recorder(url, "limited", "--file-size", str(1 << 20), "--batches", "150")

    assert recorder.finish() == 0
    assert "fault STORE_UNAVAILABLE" in recorder.lines or "fault STORE_FULL" in recorder.lines
    verify_recorded(url, recorder.acknowledged)
    assert recorder.lines[-1] == "done"


@pytest.fixture
def own_server() -> Iterator[PostgresqlServer]:
    """A server that may be stopped without harm to other tests."""
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        server = make_server(Path(directory))
        yield server
        server.stop()


@pytest.mark.postgresql
@pytest.mark.slow
def test_crash_of_the_database_server_loses_nothing_and_doubles_nothing(own_server: PostgresqlServer) -> None:
    url = own_server.create_database()
    recorder = Recorder(url, "crash")
    recorder.read_until(50)

    own_server.stop(signal.SIGQUIT)
    own_server.start()
    before = len(recorder.acknowledged)
    recorder.read_until(before + 50)
    recorder.kill()

    assert "fault STORE_UNAVAILABLE" in recorder.lines
    verify_recorded(url, recorder.acknowledged)
