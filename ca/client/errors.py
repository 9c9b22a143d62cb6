"""What can go wrong between a client and the authority, split by who can do something about it.

    ClientError
    ├── IdentityInvalid            the client's own files: missing, unreadable, not a pair
    ├── AddressInvalid             not HOST:PORT
    ├── ServerUntrusted            somebody answered, but not the authority that was expected
    │   └── FingerprintMismatch    RootsInvalid
    ├── ServerUnreachable          nobody answered, or the connection was refused or cut
    │   └── DeadlineExceeded    ConnectionRejected
    └── CallFailed                 the authority answered: no
        ├── CallUnauthenticated    CallDenied
        ├── CallInvalid            CallNotFound    CallOutOfTurn
        ├── CallUnavailable        worth another try
        └── CallBroken             the authority's own fault, or a client and a server that do not fit

- `CallFailed.reason` is the server's own (`google.rpc.ErrorInfo.reason`): a reason of `ca`, `certs` or `store`.
"""

from collections.abc import Mapping


class ClientError(Exception):
    """The root. `reason` is stable (AIP-193); `metadata` holds what a program may want to read."""

    reason: str = "CLIENT_ERROR"

    @property
    def metadata(self) -> Mapping[str, str]:
        return {}


class IdentityInvalid(ClientError):
    reason = "IDENTITY_INVALID"


class AddressInvalid(ClientError):
    reason = "ADDRESS_INVALID"


class ServerUntrusted(ClientError):
    reason = "SERVER_UNTRUSTED"


class FingerprintMismatch(ServerUntrusted):
    """None of the roots that the server showed has the fingerprint that was pinned."""

    reason = "FINGERPRINT_MISMATCH"


class RootsInvalid(ServerUntrusted):
    """What the server sent as its roots is not a list of certificates."""

    reason = "ROOTS_INVALID"


class ServerUnreachable(ClientError):
    reason = "SERVER_UNREACHABLE"


class DeadlineExceeded(ServerUnreachable):
    reason = "DEADLINE_EXCEEDED"


class ConnectionRejected(ServerUnreachable):
    """Something listens there and hung up: it does not speak TLS, or refuses the client's certificate."""

    reason = "CONNECTION_REJECTED"


class CallFailed(ClientError):
    """`status` is the name of the gRPC status, for example `PERMISSION_DENIED`."""

    reason = "CALL_FAILED"

    def __init__(
        self, message: str, *, status: str, reason: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason or status
        self._metadata = dict(metadata or {})

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._metadata


class CallUnauthenticated(CallFailed):
    pass


class CallDenied(CallFailed):
    pass


class CallInvalid(CallFailed):
    pass


class CallNotFound(CallFailed):
    pass


class CallOutOfTurn(CallFailed):
    """The right call at the wrong moment: already revoked, already there."""


class CallUnavailable(CallFailed):
    pass


class CallBroken(CallFailed):
    pass
