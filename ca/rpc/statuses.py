"""Which gRPC status each error becomes, with google.rpc.ErrorInfo for programs (AIP-193).

An error that stands in no table is ours: INTERNAL, with its text withheld and only the call's identifier told.
"""

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

from ca import errors as ca_errors
from certs import errors as certs_errors
from store import errors as store_errors

DOMAIN = "chancery.dev"
MAXIMUM_MESSAGE = 1000
"""Characters. A status travels in trailers, and clients take 8 KiB of those: one that says more would be lost whole."""

_CODES: Mapping[type[Exception], grpc.StatusCode] = {
    ca_errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    ca_errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    ca_errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    ca_errors.NotFound: grpc.StatusCode.NOT_FOUND,
    ca_errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    ca_errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ca_errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    certs_errors.MalformedInput: grpc.StatusCode.INVALID_ARGUMENT,
    certs_errors.RequestRefused: grpc.StatusCode.INVALID_ARGUMENT,
    certs_errors.ProfileViolation: grpc.StatusCode.INVALID_ARGUMENT,
    certs_errors.IssuerExpired: grpc.StatusCode.FAILED_PRECONDITION,
    certs_errors.IssuerNotYetValid: grpc.StatusCode.FAILED_PRECONDITION,
    store_errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    store_errors.StoreFull: grpc.StatusCode.UNAVAILABLE,
    store_errors.IssuerRetired: grpc.StatusCode.UNAVAILABLE,
    store_errors.NotFound: grpc.StatusCode.NOT_FOUND,
    store_errors.InvalidPageToken: grpc.StatusCode.INVALID_ARGUMENT,
}


def status_code(error: Exception) -> grpc.StatusCode:
    for ancestor in type(error).__mro__:
        if ancestor in _CODES:
            return _CODES[ancestor]
    return grpc.StatusCode.INTERNAL


def to_status(error: Exception, call_id: str) -> status_pb2.Status:
    """The google.rpc.Status of an error, as `SignCsrs` sends it in band and every other method in its trailers."""
    code = status_code(error)
    known = code is not grpc.StatusCode.INTERNAL
    message = (
        str(error)[:MAXIMUM_MESSAGE]
        if known
        else f"internal error; the server's log tells more under request {call_id}"
    )
    info = error_details_pb2.ErrorInfo(
        reason=getattr(error, "reason", "INTERNAL") if known else "INTERNAL",
        domain=DOMAIN,
        metadata={**metadata_of(error), "request": call_id},
    )
    packed = Any()
    packed.Pack(info)
    return status_pb2.Status(code=code.value[0], message=message, details=[packed])


def metadata_of(error: Exception) -> Mapping[str, str]:
    """What an error tells programs; nothing where it is ours."""
    if status_code(error) is grpc.StatusCode.INTERNAL:
        return {}
    if isinstance(error, store_errors.StoreUnavailable) and error.outcome_unknown:
        return {"outcome": "unknown"}
    return error.metadata if isinstance(error, (ca_errors.CaError, certs_errors.CertsError)) else {}
