"""Another administrator while the server runs, for whoever is on its machine, or in its pod, as the user that it runs as.

- A Unix socket of mode 0600 in the data directory, which is 0700: who can open it can read the keys of the authority and the
  memory of the process as well. Nothing but administrators' certificates is to be had there, each recorded and audited.
- The private key stays with who asks: it sends a request (PKCS #10), one JSON document in a line, and gets one back.
- Bounded: one document each way, 64 KiB, ten seconds, four at a time.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import structlog

from ca.errors import CaError, FailedPrecondition, RequestInvalid, Unavailable
from certs.errors import CertsError
from certs.requests import CertificateRequest
from serving.records import read_by_threads
from store.errors import StoreError

if TYPE_CHECKING:
    from ca.office import Office

NAME = "administration.sock"

_LARGEST = 1 << 16
_SECONDS = 10.0
_AT_A_TIME = 4
_LONGEST_PATH = 100
"""Octets; the kernel's own limit is 108 and less elsewhere."""

_log = structlog.get_logger("chancery.administration")


@read_by_threads
class AdministratorRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The request's common name counts, and its key; the lifetime is that of the profile where it is 0."""

    csr: str
    lifetime_seconds: Annotated[int, msgspec.Meta(ge=0, le=1 << 31)] = 0


@read_by_threads
class AdministratorAnswer(msgspec.Struct, kw_only=True):
    """PEM; or `problem`, and nothing else."""

    chain: str = ""
    roots: str = ""
    problem: str = ""


@contextlib.asynccontextmanager
async def administration_socket(office: "Office") -> AsyncIterator[None]:
    """Listens for the length of the block. Where the file system knows no sockets, there is none, and the log says so."""
    desk = _Desk(office)
    directory = office.settings.data_directory
    try:
        listener = _bound(directory)
    except OSError as err:
        _log.warning("no socket for administrators in the data directory", error=err.strerror)
        yield
        return
    server = await asyncio.start_unix_server(desk.answer, sock=listener, limit=_LARGEST)
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(OSError):
            (directory / NAME).unlink()


def ask(directory: Path, request: AdministratorRequest) -> AdministratorAnswer | None:
    """Asks the server that uses this data directory; None where none listens. Raises FailedPrecondition, Unavailable."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2 * _SECONDS)
        try:
            with _address(directory) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        try:
            connection.sendall(msgspec.json.encode(request) + b"\n")
            octets = _received(connection)
            answer = msgspec.json.decode(octets, type=AdministratorAnswer)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as err:
            raise Unavailable(f"the server does not answer at {directory / NAME}: {err}") from err
    if answer.problem:
        raise FailedPrecondition(answer.problem)
    return answer


class _Desk:
    """Belongs to an event loop."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._seats = asyncio.Semaphore(_AT_A_TIME)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS), self._seats:
                answer = await self._respond(await reader.readuntil(b"\n"))
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as err:
            _log.warning("a request for an administrator was given up", error=type(err).__name__)
        finally:
            writer.close()

    async def _respond(self, line: bytes) -> AdministratorAnswer:
        try:
            request = msgspec.json.decode(line, type=AdministratorRequest)
            return await asyncio.to_thread(self._issue, request)
        except (msgspec.MsgspecError, UnicodeDecodeError, CaError, CertsError, StoreError) as err:
            return AdministratorAnswer(problem=str(err))

    def _issue(self, asked: AdministratorRequest) -> AdministratorAnswer:
        from ca.office import certify_administrator  # noqa: PLC0415 - the office is composed of what is here, too

        request = CertificateRequest.from_bytes(asked.csr.encode())
        if not request.subject.common_name:
            raise RequestInvalid("an administrator has a common name; put one into the request", field="csr")
        certified = certify_administrator(
            self._office,
            request.public_key,
            common_name=request.subject.common_name,
            lifetime=timedelta(seconds=asked.lifetime_seconds) if asked.lifetime_seconds else None,
        )
        _log.warning("an administrator was made", common_name=request.subject.common_name, id=certified.certificate_id)
        return AdministratorAnswer(chain=certified.chain.decode(), roots=certified.roots.decode())


def _bound(directory: Path) -> socket.socket:
    """Nobody else uses the directory: what lies there was left by a server that was killed."""
    (directory / NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(directory) as address:
            listener.bind(address)
        (directory / NAME).chmod(0o600)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _address(directory: Path) -> Iterator[str]:
    """A path that is short enough for a socket, however long that of the directory is."""
    path = str(directory / NAME)
    if len(os.fsencode(path)) <= _LONGEST_PATH or not sys.platform.startswith("linux"):
        yield path
        return
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _received(connection: socket.socket) -> bytes:
    octets = bytearray()
    while not octets.endswith(b"\n") and len(octets) <= _LARGEST:
        piece = connection.recv(_LARGEST)
        if not piece:
            break
        octets += piece
    return bytes(octets)
