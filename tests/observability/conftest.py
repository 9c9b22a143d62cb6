"""All processes, once for the package."""

from collections.abc import Iterator

import pytest

from tests.observability.monitored import Monitored, monitored


@pytest.fixture(scope="package")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    with monitored(tmp_path_factory.mktemp("monitored")) as running:
        yield running
