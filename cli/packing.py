"""PKCS#12 files of a key and its chain, for browsers, Java and curl."""

from pathlib import Path

from agent.directories import PRIVATE_MODE
from agent.replacement import replace_file
from certs.keys import PrivateKey
from certs.pem import split_certificates
from certs.pkcs12 import encode_pkcs12


def write_pkcs12(path: Path, *, private_key: PrivateKey, chain_pem: bytes, passphrase: bytes, name: str = "") -> None:
    """Writes the file with mode 0600; the entry is called `name`, or by the leaf's first name. Raises errors of `certs`."""
    leaf, *chain = split_certificates(chain_pem)
    friendly_name = name or leaf.subject.rfc4514_string() or "certificate"
    replace_file(path, encode_pkcs12(friendly_name, private_key, leaf, chain, passphrase), PRIVATE_MODE)
