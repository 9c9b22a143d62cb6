"""What the tests of the gRPC edge share: identities for callers, and failures as programs read them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ca.callers import Caller
from ca.calls import Call
from ca.office import AdministratorIdentity, Office
from ca.orders import Order
from ca.policy import Operation
from certs.keys import KeyType, encode_private_key, generate_private_key, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import encode_certificate, load_certificate
from certs.requests import CertificateRequest
from tests.ca.hierarchies import Outsider

SPIFFE = "spiffe://cluster.local/ns/shop/sa/"
SECONDS = 60
"""Deadline of a call."""


@dataclass(slots=True, kw_only=True)
class Failure:
    """A failed call: its status, and the ErrorInfo of its trailers. Empty until the call has failed."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] | None = None


@contextlib.contextmanager
def failing() -> Iterator[Failure]:
    """The block must raise RpcError; afterwards the failure says which."""
    failure = Failure()
    with pytest.raises(grpc.RpcError) as raised:
        yield failure
    call = cast("grpc.Call", raised.value)
    failure.code, failure.message = call.code(), call.details() or ""
    status = rpc_status.from_call(call)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            failure.reason, failure.domain, failure.metadata = info.reason, info.domain, dict(info.metadata)


def identity_of(
    office: Office,
    *,
    profile: str = "client",
    common_name: str | None = None,
    organizations: tuple[str, ...] = (),
    lifetime: timedelta | None = None,
    **names: tuple[str, ...],
) -> AdministratorIdentity:
    """An identity that the authority issued on its own behalf."""
    key = generate_private_key(KeyType.EC_P256)
    asked = CertificateRequest(
        public_key=key.public_key(),
        public_key_info=subject_public_key_info(key.public_key()),
        key_type=KeyType.EC_P256,
        subject=SubjectName(common_name=common_name, organizations=organizations),
        names=SubjectAlternativeNames.parse(**names),
    )
    call = Call(caller=Caller.local(), id="test")
    record = office.authority.issue(
        Order(call=call, operation=Operation.ISSUE, profile=profile, request=asked, lifetime=lifetime)
    )
    return AdministratorIdentity(
        private_key=encode_private_key(key),
        chain=encode_certificate(load_certificate(record.der)) + office.issuers.chain_pem(record.issuer_id),
        roots=office.issuers.bundle.pem,
        certificate_id=record.id,
    )


def workload_identity(office: Office, name: str = "web") -> AdministratorIdentity:
    return identity_of(office, profile="workload", uris=(SPIFFE + name,))


def outsiders_identity(outsider: Outsider, roots: bytes) -> AdministratorIdentity:
    """What somebody shows whose certificate this authority did not issue."""
    return AdministratorIdentity(private_key=outsider.key_pem, chain=outsider.chain_pem, roots=roots, certificate_id="")
