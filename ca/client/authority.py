"""The authority behind its gRPC port, as one object: what most clients want."""

from types import TracebackType
from typing import Self

from ca.client.administration import AdministrationClient
from ca.client.certificates import CertificateClient
from ca.client.connection import DEFAULT_TIMEOUT, GRPC_PORT, Address, Connection
from ca.client.identity import Identity
from ca.client.trust import TrustClient


class CaClient:
    """`certificates`, `administration` and `trust` over one connection; closes it at the end of a `with` block."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.certificates = CertificateClient(connection)
        self.administration = AdministrationClient(connection)
        self.trust = TrustClient(connection)

    @classmethod
    def connect(cls, address: str, identity: Identity | None, *, timeout: float = DEFAULT_TIMEOUT) -> Self:
        """`address` is HOST or HOST:PORT, port 8112 where none is given; `timeout` in seconds.

        Without an identity the connection is plain text. Connects at the first call. Raises AddressInvalid.
        """
        parsed = Address.from_text(address, default_port=GRPC_PORT)
        if identity is None:
            return cls(Connection.plain_text(parsed, timeout=timeout))
        return cls(Connection.mutual_tls(parsed, identity, timeout=timeout))

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
