"""TLS contexts for the HTTP edge: TLS 1.3, client certificates welcome but not required.

- The key goes to OpenSSL through memory, not through a file, wherever the kernel can do that.
- No session tickets: each connection is a full handshake, so a client certificate is checked each time.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ca.errors import AuthorityMismatch
from ca.serving import ServingPair


def server_context(pair: ServingPair, client_trust_pem: bytes) -> ssl.SSLContext:
    """A context for one serving pair; a renewed pair gets a new one. Raises AuthorityMismatch."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_verify_locations(cadata=client_trust_pem.decode())
        with _readable_once(pair.private_key + pair.chain) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as err:
        reason = f"OpenSSL cannot serve TLS under this hierarchy ({err.reason}); found one with another key type"
        raise AuthorityMismatch(reason) from err
    return context


@contextmanager
def _readable_once(content: bytes) -> Iterator[Path]:
    """A path that only this process can read, for libraries that take nothing else."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("serving", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(content)
            yield Path(f"/proc/self/fd/{descriptor}")
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(file.name)
