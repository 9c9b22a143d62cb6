"""Every error has its place: a status, or the list of those that no caller can cause."""

import importlib
import pkgutil
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from ca import errors as ca_errors
from ca.rpc.statuses import DOMAIN, status_code, to_status
from ca.web.problems import http_status
from certs import errors as certs_errors
from store import errors as store_errors
from tests.store.samples import certificate

OURS = frozenset(
    {
        ca_errors.Internal,
        certs_errors.Defect,
        store_errors.AlreadyExists,
        store_errors.DuplicateSerial,
        store_errors.AuditChainBroken,
    }
)
"""Faults of this process or its store: a caller learns nothing but the call's identifier."""

START = frozenset(
    {
        ca_errors.Misconfigured,
        certs_errors.PassphraseError,
        certs_errors.NotAnIssuer,
        store_errors.StoreCorrupt,
        store_errors.StoreExposed,
        store_errors.SchemaTooNew,
        store_errors.UnsupportedDatabase,
    }
)
"""The operator's: they stop the start, or are for the operator's log alone."""

TRANSLATED = frozenset(
    {
        certs_errors.UnknownProfile,
        certs_errors.VerificationFailed,
        store_errors.AlreadyRevoked,
        store_errors.TokenSpent,
        store_errors.TokenExpired,
        store_errors.CredentialReused,
        store_errors.PodReleased,
        store_errors.PodMismatch,
        store_errors.NotByItsHolder,
        store_errors.NamesNotRegistered,
    }
)
"""Never reach an edge: who calls makes another error of them, or calls where they cannot come about."""

ROOTS = frozenset(
    {
        ca_errors.CaError,
        certs_errors.CertsError,
        certs_errors.IssuerUnusable,
        store_errors.StoreError,
        store_errors.StorageFault,
    }
)
"""Only ever raised as one of their leaves."""


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for one in root.__subclasses__():
        yield from subclasses(one)


def all_errors() -> list[type[Exception]]:
    for package in ("ca", "certs", "store"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)
    roots = (ca_errors.CaError, certs_errors.CertsError, store_errors.StoreError)
    return [error for root in roots for error in subclasses(root) if not error.__module__.startswith("tests.")]


def made(error: type[Exception]) -> Exception:
    """An instance whose constructor has not run: what it is decides, not what it says."""
    return error.__new__(error)


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_error_has_a_status_or_is_listed_as_nobodys(error: type[Exception]) -> None:
    listed = [places for places in (OURS, START, TRANSLATED) if places & set(error.__mro__)]

    if error in ROOTS:
        assert not listed
    elif status_code(made(error)) is grpc.StatusCode.INTERNAL:
        assert len(listed) == 1, f"give {error.__name__} a place in ca/rpc/statuses.py, or in one of the lists here"
    else:
        assert not listed, f"{error.__name__} has a status: take it off the list"
    assert 400 <= http_status(made(error)) < 600


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_reason_is_upper_snake(error: type[Exception]) -> None:
    reason = error.reason  # type: ignore[attr-defined]

    assert reason.replace("_", "").isalnum()
    assert reason == reason.upper()


def info_of(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


def test_callers_fault_is_told_with_reason_and_metadata() -> None:
    status = to_status(ca_errors.PolicyDenied("no rule allows it", rule="tokens"), "call-1")

    assert (status.code, status.message) == (grpc.StatusCode.PERMISSION_DENIED.value[0], "no rule allows it")
    assert info_of(status) == error_details_pb2.ErrorInfo(
        reason="POLICY_DENIED", domain=DOMAIN, metadata={"rule": "tokens", "request": "call-1"}
    )


def test_metadata_of_certificate_errors_is_told_too() -> None:
    status = to_status(certs_errors.TooManyNames("too many", count=5000, limit=100), "call-1")

    assert info_of(status).metadata == {"count": "5000", "limit": "100", "request": "call-1"}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("secret"),
        ca_errors.Internal("secret"),
        certs_errors.LintFailed("secret"),
        store_errors.StoreCorrupt("secret"),
        store_errors.AlreadyRevoked(certificate(subject="secret", id="secret")),
    ],
)
def test_text_of_our_own_faults_is_withheld(error: Exception) -> None:
    status = to_status(error, "call-1")

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"secret" not in status.SerializeToString()
    assert "call-1" in status.message
    assert info_of(status).reason == "INTERNAL"
