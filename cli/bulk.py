"""Many certificates over one stream.

- Each has its own directory below the output directory; one that is refused is reported and does not stop the others.
- Request ids are derived from the run and the item, so that the stream can be sent again.
- Keys are made as the stream asks for more, and are held only until their certificate is written.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from cli.errors import BulkIncomplete, InputMissing
from cli.failures import write_error
from cli.identity import write_identity
from cli.inputs import read_input
from cli.progress import progress

if TYPE_CHECKING:
    from datetime import timedelta

    from ca.client.authority import CaClient
    from ca.client.values import IssuedCertificate, SigningRequest
    from certs.keys import KeyType, PrivateKey
    from cli.names import RequestedNames

_SUFFIXES = frozenset({".csr", ".pem", ".req"})
_LARGEST_REQUEST = 1 << 17
_PROGRAM = "ca-cli"


class BulkOrder(Protocol):
    """What every one of the certificates shares."""

    @property
    def requested(self) -> "RequestedNames": ...
    @property
    def profile(self) -> str: ...
    @property
    def lifetime(self) -> "timedelta | None": ...
    @property
    def key_type(self) -> "KeyType": ...
    @property
    def request_id(self) -> str: ...


def sign_many(client: "CaClient", order: BulkOrder, *, csr_dir: Path | None, count: int, out: Path) -> None:
    """Signs every request of `csr_dir`, or makes `count` keys. Raises BulkIncomplete where some were refused."""
    batch = _RequestFiles(order, csr_dir) if csr_dir else _FreshKeys(order, count)
    roots = client.trust.get_trust_bundle().roots_pem
    refused = 0
    with progress("signing", batch.total) as advance:
        for request_id, outcome in client.certificates.sign_csrs(batch.requests()):
            name = batch.name_of(request_id)
            if isinstance(outcome, Exception):
                refused += 1
                write_error(_PROGRAM, f"{name}: {outcome}")
            else:
                _write(out / name, outcome, batch.key_for(request_id), roots)
            advance()
    click.echo(f"{batch.total - refused} signed, {refused} refused, in {out}")
    if refused:
        raise BulkIncomplete(f"{refused} of {batch.total} requests were refused")


class _Batch(Protocol):
    total: int

    def requests(self) -> "Iterator[SigningRequest]": ...
    def name_of(self, request_id: str) -> str: ...
    def key_for(self, request_id: str) -> "PrivateKey | None": ...


class _RequestFiles:
    """Requests that others made; their keys are elsewhere."""

    def __init__(self, order: BulkOrder, directory: Path) -> None:
        self._order = order
        self._files = sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES and path.is_file())
        if not self._files:
            raise InputMissing(f"{directory} holds no requests; they are called *.csr, *.pem or *.req")
        self.total = len(self._files)

    def requests(self) -> "Iterator[SigningRequest]":
        for number, path in enumerate(self._files):
            yield _signing_request(self._order, number, read_input(path, limit=_LARGEST_REQUEST))

    def name_of(self, request_id: str) -> str:
        return self._files[_number(request_id)].stem

    def key_for(self, _request_id: str) -> None:
        return None


class _FreshKeys:
    """One key after the other, for the same names."""

    def __init__(self, order: BulkOrder, count: int) -> None:
        self._order = order
        self._subject = order.requested.subject
        self._names = order.requested.alternative_names
        self._keys: dict[str, PrivateKey] = {}
        self._digits = len(str(count))
        self.total = count

    def requests(self) -> "Iterator[SigningRequest]":
        from certs.requests import build_request
        from cli import ambient

        for number in range(self.total):
            key = ambient.make_key(self._order.key_type)
            request = _signing_request(self._order, number, build_request(key, self._subject, self._names))
            self._keys[request.request_id] = key
            yield request

    def name_of(self, request_id: str) -> str:
        return f"{_number(request_id) + 1:0{self._digits}d}"

    def key_for(self, request_id: str) -> "PrivateKey":
        return self._keys.pop(request_id)


def _signing_request(order: BulkOrder, number: int, csr: bytes) -> "SigningRequest":
    from ca.client.values import SigningRequest

    return SigningRequest(
        request_id=f"{order.request_id[:48]}.{number}", csr=csr, profile=order.profile, lifetime=order.lifetime
    )


def _number(request_id: str) -> int:
    return int(request_id.rpartition(".")[2])


def _write(directory: Path, certificate: "IssuedCertificate", key: "PrivateKey | None", roots: bytes) -> None:
    from certs.keys import encode_private_key

    private_key = encode_private_key(key) if key is not None else None
    write_identity(directory, chain=certificate.full_chain_pem, private_key=private_key, roots=roots)
