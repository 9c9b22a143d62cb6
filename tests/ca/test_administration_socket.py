"""Another administrator while the server runs, for whoever may open the socket: nothing else is to be had, nothing hangs it."""

import socket
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ca.administration_socket import NAME, AdministratorAnswer, AdministratorRequest, _address, ask
from ca.errors import FailedPrecondition
from ca.office import ADMINISTRATORS
from certs.keys import KeyType, generate_private_key, verify_key_pair
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import load_certificates
from certs.requests import build_request
from tests.ca.offices import request_for
from tests.ca.server import RunningServer, running_server

KEY = generate_private_key(KeyType.EC_P256)


def request_of(key: Any, name: str | None = "alice", **subject: Any) -> AdministratorRequest:
    csr = build_request(key, SubjectName(common_name=name, **subject), SubjectAlternativeNames())
    return AdministratorRequest(csr=csr.decode())


def organizations(certificate: x509.Certificate) -> list[str | bytes]:
    return [one.value for one in certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)]


def exchange(server: RunningServer, octets: bytes) -> bytes:
    """What comes back to octets that are sent as they are."""
    with socket.socket(socket.AF_UNIX) as connection, _address(server.directory) as address:
        connection.settimeout(60)
        connection.connect(address)
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1 << 16)


def test_administrator_is_certified_for_a_key_that_stays_with_who_asks(server: RunningServer) -> None:
    answer = ask(server.directory, request_of(KEY, organizations=("system:masters",)))

    assert answer is not None
    leaf = load_certificates(answer.chain.encode())[0]
    verify_key_pair(KEY, leaf)
    assert leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "alice"
    assert organizations(leaf) == [ADMINISTRATORS]
    assert answer.roots.encode() == server.office.issuers.bundle.pem
    (event, *_) = server.office.audit.page().items
    assert event.action == "certificate.issue"
    assert event.request_id == "init"


def test_socket_opens_to_the_servers_own_user_only(server: RunningServer) -> None:
    assert stat.S_IMODE((server.directory / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


def test_where_no_server_runs_nobody_answers(tmp_path: Path) -> None:
    request = request_of(KEY)

    assert ask(tmp_path / "missing", request) is None
    assert ask(tmp_path, request) is None
    with socket.socket(socket.AF_UNIX) as left_over, _address(tmp_path) as address:
        left_over.bind(address)
    assert ask(tmp_path, request) is None


def test_directory_with_a_long_path_and_one_where_a_killed_server_left_its_socket(tmp_path: Path) -> None:
    directory = tmp_path / ("long-" * 30) / "data"
    directory.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as left_over, _address(directory) as address:
        left_over.bind(address)

    with running_server(directory):
        assert ask(directory, request_of(KEY)) is not None

    assert not (directory / NAME).exists()


@pytest.mark.parametrize("csr", ["", "garbage", request_of(KEY, None).csr, request_of(KEY).csr.replace("MI", "MJ", 1)])
def test_request_that_is_none_or_names_nobody_is_refused_with_the_reason(server: RunningServer, csr: str) -> None:
    with pytest.raises(FailedPrecondition, match=r"\w+"):
        ask(server.directory, AdministratorRequest(csr=csr))


def test_alternative_names_of_the_request_do_not_count(server: RunningServer) -> None:
    answer = ask(server.directory, AdministratorRequest(csr=request_for("web.example", common_name="bob").decode()))

    assert answer is not None
    leaf = load_certificates(answer.chain.encode())[0]
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@given(st.binary(max_size=300).filter(lambda octets: b"\n" not in octets))
def test_garbage_gets_a_problem_and_the_next_request_an_answer(server: RunningServer, garbage: bytes) -> None:
    answer = msgspec.json.decode(exchange(server, garbage + b"\n"), type=AdministratorAnswer)

    assert answer.problem
    assert not answer.chain


@pytest.mark.parametrize(
    "octets", [b"", b"no line break", b"x" * 200_000, b'{"csr": "' + b"x" * 60_000 + b'"}\n', b'{"csr":"","more":1}\n']
)
def test_what_is_no_request_is_dropped_or_refused(server: RunningServer, octets: bytes) -> None:
    try:
        answer = exchange(server, octets)
    except ConnectionError:
        answer = b""

    assert b"BEGIN" not in answer
    assert ask(server.directory, request_of(KEY)) is not None


@pytest.mark.parametrize("seconds", [-1, 1 << 40, 1, 2_000_000_000])
def test_lifetime_beyond_what_there_is_is_refused_or_cut(server: RunningServer, seconds: int) -> None:
    csr = request_of(KEY).csr
    document = msgspec.json.encode({"csr": csr, "lifetime_seconds": seconds})

    answer = msgspec.json.decode(exchange(server, document + b"\n"), type=AdministratorAnswer)

    if answer.chain:
        leaf = load_certificates(answer.chain.encode())[0]
        assert leaf.not_valid_after_utc <= server.office.issuers.active().issuer.not_after
    else:
        assert answer.problem
