"""A server for attacks. After every one: the next caller is served, and nothing was logged that nobody foresaw."""

import contextlib
import itertools
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.apiserver.attacks.sockets import RawConnection, connect
from tests.apiserver.client import WARDLE, ApiClient
from tests.apiserver.server import RunningApiServer, running_api_server

_numbers = itertools.count()


@pytest.fixture(scope="package")
def errors() -> Iterator[list[str]]:
    """What is logged as an error."""
    found: list[str] = []

    def keep(_logger, _method, event):
        found.append(str(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        processors=[structlog.processors.format_exc_info, keep],
    )
    yield found
    structlog.configure(**before)


@pytest.fixture(scope="package")
def server(errors, tmp_path_factory) -> Iterator[RunningApiServer]:
    with running_api_server(tmp_path_factory.mktemp("attacks") / "data") as server:
        yield server


@pytest.fixture(scope="package")
def api(server) -> ApiClient:
    return server.client()


@pytest.fixture(scope="package")
def bystander(server) -> ApiClient:
    return server.client("bystander")


@pytest.fixture(autouse=True)
def unimpressed(errors, bystander) -> Iterator[None]:
    errors.clear()
    yield
    assert bystander.get(f"{WARDLE}/flunders", limit=1).status == 200
    assert errors == []


@pytest.fixture
def raw(server) -> Iterator:
    """Opens connections on which a test writes whatever octets it likes, as a member of system:masters or as nobody."""
    with contextlib.ExitStack() as stack:

        def open_one(*, identified: bool = True) -> RawConnection:
            return stack.enter_context(contextlib.closing(connect(server, identified=identified)))

        yield open_one


@pytest.fixture
def namespace() -> str:
    return f"ns-{next(_numbers)}"
