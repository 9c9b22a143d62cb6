"""Keys for TLS: handed to OpenSSL through memory, not through a file, wherever the kernel can do that."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def load_pair(context: ssl.SSLContext, *, private_key: bytes, chain: bytes) -> None:
    """Gives a context its certificate chain, leaf first, and the private key, both PEM. Raises ssl.SSLError."""
    with _readable_once(private_key + b"\n" + chain) as path:
        context.load_cert_chain(path)


@contextmanager
def _readable_once(content: bytes) -> Iterator[Path]:
    """A path that only this process can read, for a library that takes nothing else."""
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
