"""PostgreSQL: durability settings, lost connections, unknown outcomes, replicas, and a password that stays unsaid."""

import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Connection, text

from store.audit import AuditTrail
from store.database import Database, open_database
from store.errors import StorageFault, StoreUnavailable, UnsupportedDatabase
from store.inventory import Inventory
from store.postgresql import PostgresqlDatabase
from tests.servers.postgresql import PostgresqlServer, make_server
from tests.store.samples import NOW, issuance

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Database]:
    database = open_database(postgresql_url)
    yield database
    database.close()


def administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(("configured", "used"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_commits_are_never_less_than_durable(postgresql_url: str, configured: str, used: str) -> None:
    name = postgresql_url.rpartition("/")[2]
    administer(postgresql_url, f'ALTER DATABASE "{name}" SET synchronous_commit = {configured}')

    database = open_database(postgresql_url)

    assert database.write(lambda connection: connection.execute(text("SHOW synchronous_commit")).scalar()) == used
    database.close()


def test_sessions_have_timeouts(database: Database) -> None:
    def timeouts(connection: Connection) -> list[object]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [connection.execute(text(f"SHOW {name}")).scalar() for name in names]

    assert database.write(timeouts) == ["30s", "15s", "10s"]


@pytest.mark.parametrize("error", [errors.SerializationFailure, errors.DeadlockDetected])
def test_transaction_that_lost_to_another_is_repeated(database: Database, error: type[psycopg.Error]) -> None:
    attempts = []

    def operation(_connection: Connection) -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise error("of another's doing")
        return len(attempts)

    assert database.write(operation) == 3


def test_transaction_that_always_loses_gives_up(database: Database) -> None:
    def operation(_connection: Connection) -> int:
        raise errors.SerializationFailure("again")

    with pytest.raises(StoreUnavailable):
        database.write(operation)


def test_deadlocked_writers_both_finish(database: Database) -> None:
    administer_database(
        database, "CREATE TABLE pair (id int primary key, n int)", "INSERT INTO pair VALUES (1, 0), (2, 0)"
    )

    def swap(first: int, second: int):
        def operation(connection: Connection) -> None:
            connection.execute(text(f"UPDATE pair SET n = n + 1 WHERE id = {first}"))
            connection.execute(text("SELECT pg_sleep(0.2)"))
            connection.execute(text(f"UPDATE pair SET n = n + 1 WHERE id = {second}"))

        return operation

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(database.write, [swap(1, 2), swap(2, 1)]))

    assert database.read(lambda connection: connection.execute(text("SELECT sum(n) FROM pair")).scalar()) == 4


def administer_database(database: Database, *statements: str) -> None:
    def operation(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    database.write(operation)


def test_transaction_whose_connection_goes_is_repeated_on_another(database: Database, postgresql_url: str) -> None:
    attempts = []

    def operation(connection: Connection) -> int:
        attempts.append(1)
        if len(attempts) == 1:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar()
            administer(postgresql_url, f"SELECT pg_terminate_backend({process})")
        connection.execute(text("SELECT 1"))
        return len(attempts)

    assert database.write(operation) == 2


def test_hot_path_notices_a_lost_connection_as_well(database: Database, postgresql_url: str) -> None:
    inventory = Inventory(database)
    inventory.record([issuance()])
    administer(
        postgresql_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    (record,) = inventory.record([issuance()])

    assert record.sequence == 2


def test_connection_that_goes_during_the_commit_leaves_the_outcome_unknown(database: Database) -> None:
    administer_database(
        database,
        "CREATE TABLE mortal (id int)",
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON mortal DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION die()",
    )
    attempts = []

    def operation(connection: Connection) -> None:
        attempts.append(1)
        connection.execute(text("INSERT INTO mortal VALUES (1)"))

    with pytest.raises(StoreUnavailable, match="request id") as fault:
        database.write(operation)

    assert fault.value.outcome_unknown
    assert attempts == [1]
    database.check()


def test_replicas_share_one_sequence_and_one_chain(postgresql_url: str) -> None:
    replicas = [open_database(postgresql_url) for _ in range(3)]
    inventories = [Inventory(replica) for replica in replicas]

    with ThreadPoolExecutor(6) as pool:
        batches = list(
            pool.map(lambda n: inventories[n % 3].record([issuance(), issuance(request_id=f"r-{n // 2}")]), range(30))
        )

    total = inventories[0].counts(now=NOW).total
    assert total == 30 + 15
    assert {record.sequence for batch in batches for record in batch} == set(range(1, total + 1))
    assert AuditTrail(replicas[1]).verify_chain() == total
    for replica in replicas:
        replica.close()


def test_revocation_on_one_replica_is_seen_by_another(postgresql_url: str) -> None:
    from tests.store.samples import event

    one, other = open_database(postgresql_url), open_database(postgresql_url)
    (record,) = Inventory(one).record([issuance()])

    Inventory(one).revoke(record.id, at=NOW, reason=1, event=event())

    assert [change.serial for change in Inventory(other).revocations_after(0)] == [record.serial]
    one.close()
    other.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tester:hunter2@127.0.0.1:1/none",
        "postgresql://tester:hunter2@127.0.0.1:1/none?sslmode=verify-full&connect_timeout=1",
        "postgresql://tester:hunter2@127.0.0.1/%zz",
        "postgresql://tester:hunter2%zz@127.0.0.1/none",
        "postgresql://tester:hunter2@127.0.0.1:port/none",
        "postgresql://127.0.0.1:1/none?unknown=hunter2",
    ],
)
def test_password_is_in_no_message(url: str) -> None:
    with pytest.raises(StorageFault) as fault:
        open_database(url)

    error: BaseException | None = fault.value
    while error is not None:
        assert "hunter2" not in f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_address_that_libpq_does_not_understand_is_refused() -> None:
    with pytest.raises(UnsupportedDatabase):
        open_database("postgresql://host/name?no_such_parameter=1")


def test_tls_parameters_of_the_address_hold(postgresql_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="does not speak TLS"):
        PostgresqlDatabase(f"{postgresql_url}?sslmode=require")


def test_missing_database_is_said_to_be_refused(postgresql_server: PostgresqlServer) -> None:
    with pytest.raises(StoreUnavailable, match="refuses this user; check name, password, database"):
        open_database(postgresql_server.url("absent"))


def test_standby_is_refused_with_a_hint(postgresql_url: str, database: Database) -> None:
    name = postgresql_url.rpartition("/")[2]
    administer(postgresql_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    standby = PostgresqlDatabase(postgresql_url)

    with pytest.raises(StoreUnavailable, match="primary"):
        Inventory(standby).record([issuance()])
    standby.close()


@pytest.mark.slow
def test_server_that_comes_back_is_used_again(request: pytest.FixtureRequest) -> None:
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        server = make_server(Path(directory))
        request.addfinalizer(server.stop)
        database = open_database(server.create_database())
        inventory = Inventory(database)
        inventory.record([issuance()])
        server.stop(signal.SIGQUIT)

        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            inventory.record([issuance()])
        with pytest.raises(StoreUnavailable):
            database.check()
        server.start()

        assert isinstance(inventory.record([issuance()]), tuple)
        assert inventory.counts(now=NOW).total == 2
        database.close()
        server.stop()


def test_listener_hears_what_is_notified_on_its_channel(postgresql_url: str) -> None:
    database = PostgresqlDatabase(postgresql_url)
    listener = database.listen("ours")

    assert not listener.wait(0.05)
    database.write(lambda connection: connection.exec_driver_sql("SELECT pg_notify('theirs', '')").all())
    assert not listener.wait(0.05)
    database.write(lambda connection: connection.exec_driver_sql("SELECT pg_notify('ours', '')").all())
    assert listener.wait(60)

    listener.close()
    database.close()


def test_listener_whose_connection_went_says_so(postgresql_url: str) -> None:
    database = PostgresqlDatabase(postgresql_url)
    listener = database.listen("ours")
    database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).all()
    )

    with pytest.raises(StoreUnavailable):
        listener.wait(60)

    listener.close()
    database.close()
