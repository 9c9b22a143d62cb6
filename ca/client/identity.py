"""Who a client is: its certificate chain, its private key and the roots it trusts.

- Read from a directory of `tls.crt`, `tls.key` and `ca.crt`, as Kubernetes names them, or from three files.
- An instance is a pair: the key has been compared with the certificate.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography import x509

from ca.client.errors import IdentityInvalid
from certs.errors import CertsError
from certs.key_files import load_private_key
from certs.keys import verify_key_pair
from certs.pem import split_certificates

CERTIFICATE_FILE = "tls.crt"
KEY_FILE = "tls.key"
ROOTS_FILE = "ca.crt"
_PUBLISHED_SET = "..data"
_MAXIMUM_OCTETS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`chain_pem` holds the leaf first; `private_key_pem` is unencrypted PKCS#8; `roots_pem` may hold several roots."""

    certificate: x509.Certificate
    chain_pem: bytes
    private_key_pem: bytes
    roots_pem: bytes

    def __repr__(self) -> str:
        return f"Identity({self.certificate.subject.rfc4514_string()!r})"

    @classmethod
    def from_directory(cls, directory: Path) -> Self:
        """Raises IdentityInvalid. Where the files were published as a set, as a kubelet does it, they are read from one set."""
        with contextlib.suppress(OSError):
            directory /= (directory / _PUBLISHED_SET).readlink()
        return cls.from_files(
            certificate=directory / CERTIFICATE_FILE, private_key=directory / KEY_FILE, roots=directory / ROOTS_FILE
        )

    @classmethod
    def from_files(cls, *, certificate: Path, private_key: Path, roots: Path) -> Self:
        """Raises IdentityInvalid."""
        return cls.from_pem(chain_pem=_read(certificate), private_key_pem=_read(private_key), roots_pem=_read(roots))

    @classmethod
    def from_pem(cls, *, chain_pem: bytes, private_key_pem: bytes, roots_pem: bytes) -> Self:
        """Raises IdentityInvalid where the parts cannot be read or do not belong together."""
        try:
            certificate = split_certificates(chain_pem)[0]
            verify_key_pair(load_private_key(private_key_pem), certificate)
            split_certificates(roots_pem)
        except CertsError as err:
            raise IdentityInvalid(f"the client's identity cannot be used: {err}") from err
        return cls(certificate=certificate, chain_pem=chain_pem, private_key_pem=private_key_pem, roots_pem=roots_pem)

    def verify_current(self, now: datetime) -> None:
        """Raises IdentityInvalid where the certificate has ended or has not begun."""
        if now > self.certificate.not_valid_after_utc:
            raise IdentityInvalid(
                f"the client's certificate expired at {self.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}; "
                "ask for a new one with a token, or from an administrator"
            )
        if now < self.certificate.not_valid_before_utc:
            raise IdentityInvalid(
                f"the client's certificate begins at {self.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}; "
                "see whether this machine's clock is right"
            )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAXIMUM_OCTETS + 1)
    except OSError as err:
        raise IdentityInvalid(f"{path} cannot be read: {(err.strerror or 'unreadable').lower()}") from err
    if len(content) > _MAXIMUM_OCTETS:
        raise IdentityInvalid(f"{path} is larger than 1 MiB; name the right file")
    return content
