"""What holds for every test: a scrubbed environment, a network that ends at loopback, repeatable properties.

- Only the variables named here reach a test or a process that it starts; HOME is a directory of its own.
- Python code cannot look up a foreign host or connect to one. Processes that a test starts are not held by this.
- Hypothesis tries the same examples in each run; HYPOTHESIS_PROFILE=wide tries more, and other ones each time.
"""

import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from ca.transport import FORCE_TLS_1_3
from tests import key_derivation
from tests.distribution import distribute
from tests.servers import go
from tests.servers.helm.programs import VARIABLE as HELM_PROGRAMS
from tests.servers.helm.programs import programs_directory
from tests.servers.image import built_image  # noqa: F401 - a fixture
from tests.servers.kubernetes.binaries import VARIABLE as KUBERNETES_BINARIES
from tests.servers.kubernetes.binaries import find_binaries
from tests.servers.peers.programs import VARIABLE as PEERS
from tests.servers.peers.programs import peers_directory
from tests.servers.prometheus import VARIABLE as PROMETHEUS
from tests.servers.prometheus import programs_directory as prometheus_directory

KEPT_VARIABLES = frozenset(
    {
        "PATH",
        "TMPDIR",
        "JAVA_HOME",
        "LD_LIBRARY_PATH",
        "VIRTUAL_ENV",
        "PGBIN",
        "GRPC_SSL_CIPHER_SUITES",
        "GRPC_VERBOSITY",
    }
)
_LONGEST_ID = 100
KEPT_PREFIXES = ("PYTEST", "PYTHON", "COV", "COVERAGE", "HYPOTHESIS")

# gRPC reads this when it is imported, which may be soon: a server in a test's thread shall refuse what `serve` refuses
os.environ.update(FORCE_TLS_1_3)
os.environ["GRPC_VERBOSITY"] = "NONE"  # as commands that are run in a test's process set it
key_derivation.spare()

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("wide", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
    home = tempfile.TemporaryDirectory(prefix="chancery-home-")
    config.add_cleanup(home.cleanup)
    kept = scrubbed(os.environ)
    kept[go.VARIABLE] = str(go.build_cache(os.environ))
    kept[PROMETHEUS] = str(prometheus_directory(os.environ))
    kept[KUBERNETES_BINARIES] = str(find_binaries(os.environ).directory)  # while HOME still leads to the cache
    kept[HELM_PROGRAMS] = str(programs_directory(os.environ))
    kept[PEERS] = str(peers_directory(os.environ))
    os.environ.clear()
    os.environ.update(kept, HOME=home.name, TZ="UTC", LANG="C.UTF-8", LC_ALL="C.UTF-8")
    sys.addaudithook(refuse_foreign_hosts)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes: before pytest-xdist reads the groups
        distribute(items)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Of what is long, the parameter's name: certificates differ between the processes of one run, tests' names must not."""
    return argname if isinstance(val, bytes | str) and len(val) > _LONGEST_ID else None


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that runs in a test's process has logs go to what the test captures, which is closed after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    """What is logged at whatever level, though a server of another test may have set a level for all of the process."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    with structlog.testing.capture_logs() as events:
        yield events
    structlog.configure(**before)


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a test may see."""
    return {
        name: value for name, value in environment.items() if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }


def refuse_foreign_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578): lets Python code reach loopback addresses and Unix sockets alone."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and arguments[0].family in {socket.AF_INET, socket.AF_INET6}:
        host = arguments[1][0]
    else:
        return
    if not is_local(host):
        raise PermissionError(f"a test may not reach {host!r}; use a server on 127.0.0.1")


def is_local(host: str | bytes | None) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
