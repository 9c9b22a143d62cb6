"""The database goes in mid-issue: each call ends with a certificate that is recorded, or says that it may be, and what to do."""

import contextlib
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import psycopg
import pytest

from ca.ambient import Secrets
from ca.client.authority import CaClient
from ca.client.identity import Identity
from ca.rpc.statuses import to_status
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from store.errors import StoreUnavailable
from store.inventory import Inventory
from store.locks import Lock, take_lock
from store.migrations import migrate
from store.postgresql import PostgresqlDatabase
from store.rotations import Rotations
from tests.ca.offices import Premises, order_for, request_for, total_of
from tests.ca.replicas.cutting_proxy import cutting_proxy
from tests.ca.replicas.persistence import Ledger, persisting
from tests.ca.replicas.replicas import (
    SECONDS,
    at_once,
    certificates_of,
    client_identity,
    code_of,
    eventually,
    opened,
    running_replicas,
)
from tests.servers.ports import free_port
from tests.servers.postgresql import PostgresqlServer, make_server
from tests.store.samples import event, issuance

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

_SECRETS = Secrets(passphrase=b"correct horse")
_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresqlServer]:
    """One that may be stopped."""
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        Path(directory).chmod(0o755)
        server = make_server(Path(directory), "fsync=off", "full_page_writes=off")
        yield server
        server.stop(signal.SIGQUIT)


@pytest.mark.parametrize("instant", ["before", "after"])
def test_a_commit_that_is_cut_off_is_said_to_be_unknown_and_a_retry_finds_out(tmp_path, postgresql_url, instant):
    port = int(postgresql_url.rpartition(":")[2].partition("/")[0])
    with (
        cutting_proxy(port) as proxy,
        Premises(directory=tmp_path / "data").open(database=through(proxy, postgresql_url), secrets=_SECRETS) as office,
    ):
        order = order_for(request=request_for("web.example"), request_id="r-1")
        before = total_of(office)
        proxy.cut = instant

        with pytest.raises(StoreUnavailable, match="request id") as fault:
            office.authority.issue(order)
        recorded = eventually_total(office, before + (instant == "after"))
        retried = office.authority.issue(order)
        again = office.authority.issue(order)

        assert (proxy.cuts, fault.value.outcome_unknown) == (1, True)
        assert recorded == before + (instant == "after")
        assert total_of(office) == before + 1
        assert retried == again == office.inventory.find_by_request(retried.requester, "r-1")
        told = to_status(fault.value, "call-1")
        assert told.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert b"outcome" in told.details[0].value


def through(proxy, url):
    """With more patience than is usual, as the proxy is slower than what is usual."""
    return url.replace(f":{proxy.target}/", f":{proxy.port}/") + "?connect_timeout=60"


def eventually_total(office, wanted):
    """A server whose client has gone may still be at its commit."""
    deadline = time.monotonic() + SECONDS
    while total_of(office) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return total_of(office)


@pytest.mark.parametrize("instant", ["before", "after"])
def test_a_client_finds_out_by_itself(tmp_path, postgresql_url, instant):
    port = int(postgresql_url.rpartition(":")[2].partition("/")[0])
    with cutting_proxy(port) as proxy:
        url = through(proxy, postgresql_url)
        with running_replicas(tmp_path, url, count=1) as (replica,):
            made = replica.administrator
            identity = Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots)
            with CaClient.connect(replica.endpoints["grpc"], identity) as client:
                proxy.cut = instant
                signed = client.certificates.sign_csr(request_for("web.example"), profile="server", request_id="r-1")

    assert proxy.cuts == 1
    with opened(postgresql_url) as database:
        records = [one for one in Inventory(database).after(0) if one.request_id == "r-1"]
    assert [one.id for one in records] == [signed.id]


def test_connections_that_are_ended_again_and_again_lose_nothing(tmp_path, postgresql_url):
    with running_replicas(tmp_path, postgresql_url, count=1) as replicas:
        with persisting(replicas, "ended") as ledger:
            for _ in range(12):
                time.sleep(0.2)
                with psycopg.connect(postgresql_url, autocommit=True) as connection:
                    connection.execute(_TERMINATE)
        verify(ledger, postgresql_url)


def test_a_fault_that_nobody_foresaw_does_not_keep_a_replica_from_following_later(tmp_path, postgresql_url):
    tables = ("replicas", "private_keys")
    with running_replicas(tmp_path, postgresql_url, count=1) as (replica,), opened(postgresql_url) as database:
        holder = client_identity(replica, "holder")
        eventually(lambda: Rotations(database).replicas(seen_since=0))
        (before,) = Rotations(database).replicas(seen_since=0)
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            for table in tables:
                connection.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
            eventually(lambda: all(what in replica.log for what in ("rotation put off", "housekeeping put off")))
            for table in tables:
                connection.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
        Inventory(database).revoke(holder.certificate_id, at=before.seen_at, reason=4, event=event())

        stub = certificates_of(replica, holder)
        call = service.GetCsrTemplateRequest()
        eventually(
            lambda: code_of(*at_once([lambda: stub.GetCsrTemplate(call, timeout=SECONDS)])) is not grpc.StatusCode.OK
        )
        eventually(
            lambda: [one.id for one in Rotations(database).replicas(seen_since=before.seen_at + 1)] == [before.id]
        )


def test_a_database_that_crashes_and_comes_back_is_used_again(tmp_path, own_server):
    url = own_server.create_database()
    with running_replicas(tmp_path, url, count=2) as replicas:
        with persisting(replicas, "crashed") as ledger:
            await_answers(ledger, 20)
            own_server.stop(signal.SIGQUIT)
            eventually(lambda: bool(ledger.failures))
            own_server.start()
            await_answers(ledger, 20)
        verify(ledger, url)
        assert all(replica.process.poll() is None for replica in replicas)


def test_a_standby_that_is_promoted_takes_over_with_all_that_was_acknowledged(tmp_path, own_server):
    with synchronous_standby(own_server) as standby:
        url = own_server.create_database()
        hosts = f":{own_server.port},127.0.0.1:{standby.port}/"
        both = f"{url.replace(f':{own_server.port}/', hosts)}?target_session_attrs=read-write"
        with running_replicas(tmp_path, both, count=2) as replicas:
            with persisting(replicas, "promoted") as ledger:
                await_answers(ledger, 20)
                own_server.stop(signal.SIGQUIT)
                with psycopg.connect(standby.url(), autocommit=True) as connection:
                    connection.execute("SELECT pg_promote()")
                await_answers(ledger, 20)
            verify(ledger, url.replace(f":{own_server.port}/", f":{standby.port}/"))


@contextlib.contextmanager
def synchronous_standby(primary: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """What the primary acknowledges is there, too; copied while the primary is down, which needs no further program."""
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        primary.stop()
        standby = replace(
            primary,
            directory=Path(name),
            port=free_port(),
            settings=(
                *primary.settings,
                f"primary_conninfo=host=127.0.0.1 port={primary.port} user=tester",
                f"unix_socket_directories={name}",
            ),
        )
        shutil.copytree(primary.directory / "data", standby.directory / "data")
        (standby.directory / "data" / "standby.signal").touch()
        (standby.directory / "data" / "postmaster.pid").unlink(missing_ok=True)
        if primary.user is not None:
            for path in (standby.directory, *standby.directory.rglob("*")):
                shutil.chown(path, primary.user)
        settings, primary.settings = primary.settings, (*primary.settings, "synchronous_standby_names=*")
        primary.start()
        try:
            standby.start()
            yield standby
        finally:
            standby.stop(signal.SIGQUIT)
            primary.stop(signal.SIGQUIT)
            primary.settings = settings
            primary.start()


def test_a_replica_that_stalls_in_the_middle_of_a_write_blocks_nobody_for_long(postgresql_url):
    """As one that is suspended, or whose machine lost its network, while it holds the lock."""
    stalled, other = PostgresqlDatabase(postgresql_url), PostgresqlDatabase(postgresql_url)
    migrate(other)
    holds, goes_on, attempts = threading.Event(), threading.Event(), []

    def stall(connection):
        take_lock(connection, Lock.APPEND)
        attempts.append(1)
        holds.set()
        goes_on.wait(SECONDS)
        return connection.exec_driver_sql("SELECT 1").scalar()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(stalled.write, stall)
        assert holds.wait(SECONDS)
        started = time.monotonic()

        (record,) = Inventory(other).record([issuance()])

        assert time.monotonic() - started < 40
        assert record.sequence == 1
        goes_on.set()
        assert held.result(SECONDS) == 1
    assert len(attempts) == 2
    stalled.close()
    other.close()


def await_answers(ledger: Ledger, more: int) -> None:
    wanted, deadline = len(ledger.answers) + more, time.monotonic() + SECONDS
    while len(ledger.answers) < wanted:
        assert time.monotonic() < deadline, ledger.failures[-3:]
        time.sleep(0.05)


def verify(ledger: Ledger, url: str) -> None:
    assert ledger.answers
    ledger.verify_all_are_recorded(url)
    ledger.verify_failures_are_clear()
