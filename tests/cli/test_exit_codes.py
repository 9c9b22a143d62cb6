"""Every error class of the program has a status of its own choosing."""

from collections.abc import Iterator

import pytest

import agent.errors
import apiserver.errors
import ca.client.errors
import ca.errors
import certs.errors
import cli.errors
import kube.errors
import store.errors
from cli.exit_codes import MEANINGS, ExitCode, exit_code_of, mapped_class

ROOTS = (
    agent.errors.AgentError,
    apiserver.errors.ApiError,
    ca.client.errors.ClientError,
    ca.errors.CaError,
    certs.errors.CertsError,
    cli.errors.CliError,
    kube.errors.KubeError,
    store.errors.StoreError,
)


def descendants(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


@pytest.mark.parametrize(
    "kind", [child for root in ROOTS for child in descendants(root)], ids=lambda kind: kind.__name__
)
def test_every_error_class_is_mapped_below_its_root(kind: type[BaseException]) -> None:
    mapped = mapped_class(kind)

    assert mapped is not None
    assert mapped not in ROOTS


def test_unknown_error_is_a_defect() -> None:
    assert exit_code_of(ZeroDivisionError()) is ExitCode.INTERNAL


def test_every_status_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_nearest_class_decides() -> None:
    assert exit_code_of(FileNotFoundError()) is ExitCode.NOT_FOUND
    assert exit_code_of(OSError()) is ExitCode.NOT_READY
    assert exit_code_of(ca.errors.PolicyDenied("no")) is ExitCode.DENIED
