"""When the identity ends that this process shows to the authority."""

from pathlib import Path

from certs.errors import CertsError
from certs.pem import load_certificates


def identity_ends_at(directory: Path) -> float:
    """In seconds since 1970; NaN where there is no identity, or none that can be read."""
    try:
        return load_certificates((directory / "tls.crt").read_bytes())[0].not_valid_after_utc.timestamp()
    except (OSError, CertsError, ValueError, IndexError):
        return float("nan")
