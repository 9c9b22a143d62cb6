"""TLS 1.3 for Python services that follow a directory: contexts that use whatever identity it holds at the time.

- A server keeps one context for its life; each handshake is made with the newest certificate, key and roots.
- A client takes a context for each connection; connections under way keep the identity that they were opened with.
- What cannot be read, or does not belong together, changes nothing: the identity of before goes on being used.
- The key reaches OpenSSL by way of memory.
"""

import os
import ssl
import threading
from pathlib import Path

from agent.credentials import CERTIFICATE_NAME, Credentials
from agent.errors import CredentialsInvalid
from agent.identity import load_credentials


class FollowedIdentity:
    """The identity in a directory as it is now; may be used by many threads."""

    def __init__(self, directory: Path) -> None:
        """Raises CredentialsInvalid where the directory holds none yet."""
        self._directory = directory
        self._lock = threading.Lock()
        self._mark = _mark(directory)
        self._held = load_credentials(directory)
        self._client: ssl.SSLContext | None = None
        self._server: dict[ssl.VerifyMode, ssl.SSLContext] = {}

    @property
    def credentials(self) -> Credentials:
        """What the directory holds; costs a look at one file's status where nothing has changed."""
        with self._lock:
            self._follow()
            return self._held

    def client_context(self) -> ssl.SSLContext:
        """For the next connection to a server: shows the certificate, trusts the roots and checks the server's name."""
        with self._lock:
            self._follow()
            if self._client is None:
                self._client = client_context(self._held.trust_bundle, self._held)
            return self._client

    def server_context(self, *, clients: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
        """For a listener, once: every handshake is handed to the newest identity. `clients`: whether they must show
        a certificate, may, or are not asked."""
        context = server_context(self.credentials, clients=clients)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._newest_server_context(clients)

        context.sni_callback = choose  # called for clients without SNI, too
        return context

    def _newest_server_context(self, clients: ssl.VerifyMode) -> ssl.SSLContext:
        with self._lock:
            self._follow()
            if clients not in self._server:
                self._server[clients] = server_context(self._held, clients=clients)
            return self._server[clients]

    def _follow(self) -> None:
        mark = _mark(self._directory)
        if mark == self._mark:
            return
        try:
            held = load_credentials(self._directory)
            client_context(held.trust_bundle, held)
        except (CredentialsInvalid, ssl.SSLError):
            return  # half of a replacement by other hands, or none of ours; the next look may find all of it
        self._mark, self._held = mark, held
        self._client = None
        self._server.clear()


def client_context(trust_bundle: bytes, shown: Credentials | None = None) -> ssl.SSLContext:
    """Trusts `trust_bundle`, PEM, and no other roots. Raises ssl.SSLError where OpenSSL cannot use a part of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _equipped(context, trust_bundle, shown)


def server_context(shown: Credentials, *, clients: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
    """Without session tickets, so that every client is looked at. Raises ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    context.verify_mode = clients
    return _equipped(context, shown.trust_bundle, shown)


def _equipped(context: ssl.SSLContext, trust_bundle: bytes, shown: Credentials | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if trust_bundle:
        context.load_verify_locations(cadata=trust_bundle.decode("ascii", "replace"))
    if shown is not None:
        descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(shown.private_key + b"\n" + shown.certificate_chain)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context


def _mark(directory: Path) -> tuple[int, int, int]:
    """Differs once another certificate is in place, whichever way it was put there."""
    try:
        status = (directory / CERTIFICATE_NAME).stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_dev, status.st_ino, status.st_mtime_ns)
