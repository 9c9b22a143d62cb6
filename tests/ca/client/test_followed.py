"""Channels that follow the identity in a directory, against a real server that says who called."""

import threading

import pytest

from agent.credentials import Credentials
from agent.identity import publish_credentials
from ca.client.certificates import CertificateClient
from ca.client.connection import Address
from ca.client.errors import ClientError, IdentityInvalid
from ca.client.followed import FollowedConnection
from ca.client.trust import TrustClient
from tests.ca.server import running_server
from tests.ca.wire import workload_identity
from tests.threads import join


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("ca") / "data") as server:
        yield server


@pytest.fixture
def directory(server, tmp_path):
    publish(server, tmp_path / "tls", "web")
    return tmp_path / "tls"


@pytest.fixture
def followed(server, directory):
    address = Address.from_text(server.grpc_target, default_port=0)
    with FollowedConnection.of_directory(address, directory, timeout=60) as followed:
        yield followed


def publish(server, directory, name: str) -> None:
    identity = workload_identity(server.office, name)
    publish_credentials(
        directory,
        Credentials.from_pem(
            certificate_chain=identity.chain, private_key=identity.private_key, trust_bundle=identity.roots
        ),
    )


def who(connection) -> str:
    return str(CertificateClient(connection).get_csr_template().names.uris[0]).rpartition("/")[2]


def test_calls_are_made_with_the_identity_of_the_time(server, directory, followed):
    with followed.use() as connection:
        before, channel = who(connection), connection.channel
    with followed.use() as connection:
        same = connection.channel
    publish(server, directory, "payments")
    with followed.use() as connection:
        after = who(connection)

    assert (before, after) == ("web", "payments")
    assert same is channel


def test_call_under_way_is_not_cut_off(server, directory, followed):
    with followed.use() as old:
        stream = TrustClient(old).watch_trust_bundle()
        first = next(stream)
        publish(server, directory, "payments")
        with followed.use() as new:
            assert who(new) == "payments"
        assert who(old) == "web"
        stream.close()

    assert first.generation == 1
    with pytest.raises((ClientError, ValueError)):
        who(old)


def test_files_that_do_not_belong_together_change_nothing(directory, followed):
    with followed.use() as connection:
        assert who(connection) == "web"
    (directory / "tls.key").unlink()
    with followed.use() as connection:
        assert who(connection) == "web"


def test_identity_must_have_been_there_once(server, tmp_path):
    address = Address.from_text(server.grpc_target, default_port=0)
    with (
        FollowedConnection.of_directory(address, tmp_path) as followed,
        pytest.raises(IdentityInvalid),
        followed.use(),
    ):
        pass


def test_many_threads_use_it_while_the_identity_changes(server, directory, followed):
    seen, failures = set(), []

    def call() -> None:
        for _ in range(20):
            try:
                with followed.use() as connection:
                    seen.add(who(connection))
            except ClientError as err:
                failures.append(err)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(5):
        publish(server, directory, f"web-{number}")
    join(*threads)

    assert failures == []
    assert seen <= {"web", *(f"web-{number}" for number in range(5))}
