"""Whom the libraries of a server believe outside of the cluster: `--extra-ca-certificates`, `--default-ca-certificates`.

- One file is made of both when the process starts, and goes when it ends; a change needs a restart.
- Without either nothing is made, and libpq is told where the system has its CAs: psycopg's own build looks where nobody has any.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ca.errors import SettingsInvalid
from cli import ambient

_EXTRA, _DEFAULT = "extra_ca_certificates", "default_ca_certificates"
_FILE = "ca-certificates.crt"


@contextlib.contextmanager
def outside_roots(extra: str, default: str) -> Iterator[None]:
    """Each is files and directories, separated by commas. Raises SettingsInvalid with every fault."""
    if not extra and not default:
        ambient.look_for_system_roots()
        yield
        return
    with tempfile.TemporaryDirectory(prefix="chancery-roots-") as directory:
        file = Path(directory) / _FILE
        file.write_bytes(_joined(extra, default))
        ambient.believe(file)
        yield


def _joined(extra: str, default: str) -> bytes:
    faults: list[str] = []
    more = _read(_EXTRA, extra, faults)
    believed = _read(_DEFAULT, default, faults) if default else ambient.system_roots()
    if default and not believed and not faults:
        faults.append(f"{_DEFAULT}: there is no certificate in {default}, so that nobody would be believed")
    if faults:
        raise SettingsInvalid(faults)
    return believed.rstrip() + b"\n" + more


def _read(name: str, said: str, faults: list[str]) -> bytes:
    from serving.outside_roots import OutsideRootsInvalid, join_ca_certificates

    found = b""
    for path in filter(None, map(str.strip, said.split(","))):
        try:
            found += join_ca_certificates([Path(path).expanduser()])
        except OutsideRootsInvalid as err:
            faults.append(f"{name}: {err}")
    return found
