"""CA certificates for whom a server connects to outside of the cluster's own trust: a database, a collector of traces, a proxy.

- Libraries read one file, while a Secret is mounted as a directory: what is named here is read from both and joined to one.
- Certificates alone are taken: a key among them is a fault, as somebody else would read it.
- Authority and API server of the cluster are believed by roots of their own, whatever stands here.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from certs.errors import CertsError
from certs.pem import join_certificates, split_certificates


class OutsideRootsInvalid(Exception):
    """What was named cannot be read, or is not certificates alone; the message says which file and why."""


def join_ca_certificates(paths: Iterable[Path]) -> bytes:
    """The certificates of files, and of the files in directories, as PEM; empty where there is none. Raises OutsideRootsInvalid."""
    return b"".join(_read(file) for path in paths for file in _files(path))


def _files(path: Path) -> Iterator[Path]:
    """Those of a directory by name; hidden are those by which the kubelet replaces them all at once."""
    if not path.is_dir():
        yield path
        return
    yield from sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))


def _read(file: Path) -> bytes:
    try:
        return join_certificates(split_certificates(file.read_bytes()))
    except OSError as err:
        raise OutsideRootsInvalid(f"{file}: {err.strerror}") from err
    except CertsError as err:
        raise OutsideRootsInvalid(f"{file}: {err}") from err
