"""Authorities that live as long as the tests, and a way to show their certificates."""

import pytest

from tests.apiserver.identity.handshakes import Authority, Door, load_from


@pytest.fixture(scope="session")
def client_ca():
    return Authority.root("clients")


@pytest.fixture(scope="session")
def proxy_ca():
    return Authority.root("front proxies")


@pytest.fixture
def shown(tmp_path):
    """The server's end of a connection on which a credential, or none, was shown to whoever trusts as `trust` says."""

    def show(trust, credential=None):
        return Door(trust=trust).connection(
            credential, (lambda _: None) if credential is None else load_from(tmp_path, credential)
        )

    return show
