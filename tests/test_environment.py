"""The promises of tests/conftest.py."""

import os
import socket
import tempfile
from pathlib import Path

import pytest


def test_environment_holds_no_setting_of_the_machine():
    foreign = {
        name
        for name in os.environ
        if name.startswith(("CHANCERY", "PG", "KUBE", "SSL", "GRPC")) and not name.startswith("CHANCERY_TEST_")
    }

    # set by tests/conftest.py, whatever the machine says
    assert foreign - {"GRPC_SSL_CIPHER_SUITES", "GRPC_VERBOSITY", "KUBEBUILDER_ASSETS"} == set()


def test_home_is_not_the_one_of_the_person():
    assert Path.home().is_relative_to(tempfile.gettempdir())
    assert not list(Path.home().glob(".ssh"))


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.com"])
def test_foreign_host_cannot_be_looked_up(host):
    with pytest.raises(PermissionError, match="may not reach"):
        socket.getaddrinfo(host, 443)


def test_foreign_address_cannot_be_connected_to():
    with socket.socket() as endpoint, pytest.raises(PermissionError, match="may not reach"):
        endpoint.connect(("192.0.2.1", 443))


def test_loopback_can_be_connected_to():
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = socket.create_connection(server.getsockname())

        connection.close()
