"""Key store and trust store of an identity, for Java: PKCS#12, and JKS for those who take nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.credentials import Credentials
from agent.formats import Format
from agent.jks import KeyEntry, TrustEntry, encode_jks
from certs.key_files import load_private_key
from certs.pem import split_certificates
from certs.pkcs12 import encode_pkcs12, encode_trust_store
from certs.serials import Entropy

ALIAS = "identity"

_KDF_ROUNDS = 2048  # the password lies beside the file


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStores:
    """Contents by file name: `keys` hold the private key, `roots` what is trusted."""

    keys: Mapping[str, bytes]
    roots: Mapping[str, bytes]


def encode_key_stores(
    credentials: Credentials, password: str, formats: frozenset[Format], *, now: datetime, entropy: Entropy
) -> KeyStores:
    """Those of `formats`; `password` is ASCII. Raises errors of `certs`."""
    key = load_private_key(credentials.private_key)
    leaf, *chain = split_certificates(credentials.certificate_chain)
    roots = split_certificates(credentials.trust_bundle)
    keys, trusted = {}, {}
    if Format.PKCS12 in formats:
        secret = password.encode()
        keys["keystore.p12"] = encode_pkcs12(ALIAS, key, leaf, chain, secret, kdf_rounds=_KDF_ROUNDS)
        trusted["truststore.p12"] = encode_trust_store(roots, secret, kdf_rounds=_KDF_ROUNDS)
    if Format.JKS in formats:
        encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        entry = KeyEntry(alias=ALIAS, private_key=encoded, chain=[_der(one) for one in (leaf, *chain)])
        entries = [TrustEntry(alias=f"root-{number}", certificate=_der(one)) for number, one in enumerate(roots)]
        keys["keystore.jks"] = encode_jks([entry], password, now=now, entropy=entropy)
        trusted["truststore.jks"] = encode_jks(entries, password, now=now, entropy=entropy)
    return KeyStores(keys=keys, roots=trusted)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
