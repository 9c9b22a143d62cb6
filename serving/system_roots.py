"""Where this system keeps the CAs that it believes, as one file."""

from collections.abc import Iterable
from pathlib import Path

SYSTEM_FILES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Alpine
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora and what comes of it
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
    Path("/etc/ssl/cert.pem"),  # OpenSSL's own name for it
)


def find_system_file(candidates: Iterable[Path] = SYSTEM_FILES) -> Path | None:
    return next((file for file in candidates if file.is_file()), None)
