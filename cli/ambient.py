"""The ambient world: environment, clock, entropy and terminal. Nobody else in the program reads them.

- The real `Clock`, `Entropy` and `KeyFactory` are made here and handed down.
- A variable that is set to nothing counts as not set.
"""

import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ca.ambient import Secrets
from ca.transport import FORCE_TLS_1_3

if TYPE_CHECKING:
    from certs.keys import KeyType, PrivateKey

HOME_VARIABLE = "CHANCERY_HOME"
DEBUG_VARIABLE = "CHANCERY_DEBUG"


def clock() -> datetime:
    """The present instant: aware, UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that only go forward, from an instant that means nothing."""
    return time.monotonic()


def boottime() -> float:
    """Seconds that only go forward, also while the machine sleeps, where its kernel counts that."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def entropy(octets: int) -> bytes:
    """That many octets nobody can guess, from the kernel."""
    return os.urandom(octets)


def make_key(key_type: "KeyType") -> "PrivateKey":
    """A new private key of that type."""
    from certs.keys import generate_private_key

    return generate_private_key(key_type)


def environment(name: str) -> str | None:
    """The variable's value; None where it is unset or empty."""
    return os.environ.get(name) or None


def wants_traces() -> bool:
    """Whether the standard variables of OpenTelemetry name somebody who collects traces."""
    endpoints = (environment(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT") for kind in ("", "TRACES_"))
    is_off = (environment("OTEL_SDK_DISABLED") or "").lower() == "true" or environment("OTEL_TRACES_EXPORTER") == "none"
    return any(endpoints) and not is_off


def secrets() -> Secrets:
    """What the environment holds for the authority."""
    return Secrets(passphrase=_octets("CHANCERY_PASSPHRASE"), pkcs11_pin=_octets("CHANCERY_PKCS11_PIN"))


def _octets(name: str) -> bytes | None:
    value = environment(name)
    return os.fsencode(value) if value is not None else None


def home() -> Path:
    """Where this program keeps what it is told to remember: `CHANCERY_HOME`, or `~/.chancery`."""
    named = environment(HOME_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".chancery"


def host_name() -> str:
    """What this machine calls itself."""
    return socket.gethostname()


def is_interactive() -> bool:
    """Whether a person sits at both ends: questions may be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def writes_to_terminal() -> bool:
    """Whether standard output is read by a person rather than by a program."""
    return sys.stdout.isatty()


def debugging() -> bool:
    """Whether unexpected errors shall show where they came from."""
    return environment(DEBUG_VARIABLE) is not None


def system_roots() -> bytes:
    """The CAs that this system believes, PEM: those of SSL_CERT_FILE, or of the file in which systems of its kind have them."""
    file = _system_file()
    return file.read_bytes() if file is not None else b""


def look_for_system_roots() -> None:
    """Names that file to every OpenSSL in this process, unless the environment names one: that of psycopg's wheels knows none."""
    file = _system_file()
    if file is not None and environment("SSL_CERT_DIR") is None:
        os.environ["SSL_CERT_FILE"] = str(file)


def believe(file: Path) -> None:
    """Has OpenSSL, and with it libpq's `sslrootcert=system`, and the exporter of traces believe the CAs in `file` alone."""
    os.environ["SSL_CERT_FILE"] = str(file)
    os.environ["SSL_CERT_DIR"] = str(file.parent)  # where nothing is found by hash
    if environment("REQUESTS_CA_BUNDLE") is None:
        os.environ["REQUESTS_CA_BUNDLE"] = str(file)


def _system_file() -> Path | None:
    from serving.system_roots import find_system_file

    named = environment("SSL_CERT_FILE")
    return Path(named) if named else find_system_file()


def silence_grpc() -> None:
    """Keeps gRPC's own log lines off standard error: what matters in them is in our errors. Call before importing it."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def require_tls_1_3() -> None:
    """Takes from gRPC what a TLS 1.2 client could use. Call before importing it."""
    os.environ.update(FORCE_TLS_1_3)
