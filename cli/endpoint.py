"""Which authority a command talks to, and as whom."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cli import ambient
from cli.errors import IdentityMissing
from cli.local_administrator import LocalAdministrator
from cli.output import notice

if TYPE_CHECKING:
    from ca.client.authority import CaClient
    from ca.client.connection import Address
    from ca.client.enrollment import EnrollmentClient
    from ca.client.identity import Identity

DEFAULT_HOST = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Opens connections as the shared options say; nothing is read or reached before.

    Where no address is given it is the server that the same environment would start on this machine: `CHANCERY_GRPC_PORT`,
    `CHANCERY_HTTP_PORT` and `CHANCERY_ENROLLMENT_PORT` count.
    """

    server: str | None
    enrollment_server: str | None
    http_server: str | None
    identity: Path | None
    client_cert: Path | None
    client_key: Path | None
    ca_cert: Path | None
    timeout: timedelta
    plaintext: bool
    local: LocalAdministrator | None = None
    """In place of an identity in a directory."""

    @property
    def identity_directory(self) -> Path:
        return self.identity or ambient.home() / "identity"

    def client(self) -> "CaClient":
        """A client of the gRPC port. Raises IdentityMissing, IdentityInvalid, CredentialsInvalid, AddressInvalid."""
        ambient.silence_grpc()
        from ca.client.authority import CaClient

        identity = None if self.is_plain_text else self.load_identity()
        return CaClient.connect(str(self.grpc_address), identity, timeout=self.seconds)

    def load_identity(self, *, current: bool = True) -> "Identity":
        """The identity that the options name; with `current`, only one that is valid now."""
        if self.local is not None:
            return self.local.identity()
        from agent.identity import load_credentials
        from ca.client.identity import Identity

        directory = self.identity_directory
        private_key = self.client_key or directory / "tls.key"
        _warn_of_loose_mode(private_key)
        if self.client_cert or self.client_key:
            identity = Identity.from_files(
                certificate=self.client_cert or directory / "tls.crt",
                private_key=private_key,
                roots=self.ca_cert or directory / "ca.crt",
            )
        else:
            if not directory.is_dir():
                raise IdentityMissing(f"there is no identity in {directory}")
            held = load_credentials(directory)
            roots = self.ca_cert.read_bytes() if self.ca_cert else held.trust_bundle
            identity = Identity.from_pem(
                chain_pem=held.certificate_chain, private_key_pem=held.private_key, roots_pem=roots
            )
        if current:
            identity.verify_current(ambient.clock())
        return identity

    def enrollment_client(self, roots_pem: bytes) -> "EnrollmentClient":
        """A client of the enrollment port that trusts `roots_pem`, or of a plain-text server."""
        ambient.silence_grpc()
        from ca.client.connection import Connection
        from ca.client.enrollment import EnrollmentClient

        if self.plaintext:
            return EnrollmentClient(Connection.plain_text(self.enrollment_address, timeout=self.seconds))
        return EnrollmentClient(Connection.server_tls(self.enrollment_address, roots_pem, timeout=self.seconds))

    @property
    def is_plain_text(self) -> bool:
        """Whether nobody shows who they are: by the option, or because the server on this machine has no TLS."""
        return self.plaintext or (self.local is not None and self.local.is_plain_text)

    @property
    def seconds(self) -> float:
        return self.timeout.total_seconds()

    @property
    def grpc_address(self) -> "Address":
        from ca.client.connection import GRPC_PORT, Address

        if self.server:
            return Address.from_text(self.server, default_port=GRPC_PORT)
        if self.local is not None:
            return Address.from_text(self.local.server, default_port=GRPC_PORT)
        return Address.from_text(DEFAULT_HOST, default_port=_own_port("GRPC", GRPC_PORT))

    @property
    def enrollment_address(self) -> "Address":
        from ca.client.connection import ENROLLMENT_PORT, Address

        if self.enrollment_server:
            return Address.from_text(self.enrollment_server, default_port=ENROLLMENT_PORT)
        return self.grpc_address.with_port(ENROLLMENT_PORT if self.server else _own_port("ENROLLMENT", ENROLLMENT_PORT))

    @property
    def http_address(self) -> "Address":
        from ca.client.connection import HTTP_PORT, Address

        if self.http_server:
            return Address.from_text(self.http_server, default_port=HTTP_PORT)
        return self.grpc_address.with_port(HTTP_PORT if self.server else _own_port("HTTP", HTTP_PORT))


def _warn_of_loose_mode(private_key: Path) -> None:
    """A warning and no refusal: whoever mounts a Secret into a pod cannot always choose the mode."""
    try:
        mode = private_key.stat().st_mode & 0o777
    except OSError:
        return  # whoever reads it says so better
    if mode & 0o007:
        notice(f"warning: {private_key} has mode {mode:04o}, which lets everybody in; run: chmod 0600 {private_key}")


def _own_port(listener: str, default: int) -> int:
    """Where the server that this environment starts has that listener; the default for what is no port or any port."""
    text = ambient.environment(f"CHANCERY_{listener}_PORT") or ""
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else default
